import { BlockList, isIP } from 'node:net';
import { OverlayerError } from '../../../base/errors.js';

/** Whether the host of a URL is this machine by its name alone, so that no other machine can read the traffic. */
export function isLoopback({ hostname }: URL): boolean {
  return /^(localhost|.+\.localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(hostname);
}

/** A proxy that the environment names. */
export interface HttpProxy {
  readonly url: URL;
  /** The environment variable that names it. */
  readonly variable: string;
}

const PROTOCOLS: readonly string[] = ['http:', 'https:', 'socks5:', 'socks5h:'];
const PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/**
 * The proxy for a URL, as curl and Go choose it: `https_proxy` or `http_proxy`, else `all_proxy`, in lower or upper case.
 * There is none for hosts of `no_proxy`, and for this machine.
 *
 * @throws OverlayerError `InvalidArgument`: a malformed variable
 */
export function proxyOf(url: URL): HttpProxy | undefined {
  if (isLoopback(url) || isExcepted(url)) return undefined;
  for (const name of [`${url.protocol.slice(0, -1)}_proxy`, 'all_proxy'])
    for (const variable of [name, name.toUpperCase()]) {
      const text = process.env[variable];
      if (text) return { url: parseProxy(text, variable), variable };
    }
  return undefined;
}

function parseProxy(text: string, variable: string): URL {
  const whole = text.includes('://') ? text : `http://${text}`;
  if (URL.canParse(whole)) {
    const url = new URL(whole);
    if (PROTOCOLS.includes(url.protocol) && url.hostname !== '') return url;
  }
  throw new OverlayerError('InvalidArgument', `${variable} names no proxy`, {
    hint: 'give it the form http://proxy.example:3128 or socks5://proxy.example',
  });
}

/** Entries are `*`, a domain with its subdomains, an address, or a network. All but `*` may have a port. */
function isExcepted(url: URL): boolean {
  const list = process.env['no_proxy'] || process.env['NO_PROXY'] || '';
  const hostname = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const port = url.port || PORTS[url.protocol];
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      const [, bracketed, plain, itsPort] =
        /^(?:\[([^\]]+)\]|(.*?))(?::(\d+))?$/.exec(isIP(entry) === 6 ? `[${entry}]` : entry) ?? [];
      const name = bracketed ?? plain ?? '';
      return (itsPort === undefined || itsPort === port) && covers(name, hostname);
    });
}

function covers(name: string, hostname: string): boolean {
  const family = isIP(hostname) === 6 ? 'ipv6' : 'ipv4';
  const [address = '', bits] = name.split('/');
  if (isIP(hostname) !== 0) {
    if (isIP(address) !== isIP(hostname)) return false;
    const list = new BlockList();
    const most = family === 'ipv6' ? 128 : 32;
    const prefix = bits === undefined ? most : Number(bits);
    if (!Number.isInteger(prefix) || prefix < 0 || prefix > most) return false;
    list.addSubnet(address, prefix, family);
    return list.check(hostname, family);
  }
  const domain = name.replace(/^\*?\./, '');
  return domain !== '' && (hostname === domain || hostname.endsWith(`.${domain}`));
}

/** The target of a request, and its proxy. */
export interface Route {
  readonly url: URL;
  readonly proxy: HttpProxy | undefined;
}

/** The server in messages: `registry.example`, and the proxy that may have sent the response. */
export function routeName({ url, proxy }: Route): string {
  return `${url.host}${proxy === undefined ? '' : ` through the proxy ${proxyName(proxy)}`}`;
}

/** The proxy in messages, without its credentials. */
export function proxyName({ url: { protocol, host }, variable }: HttpProxy): string {
  return `${protocol}//${host} of ${variable}`;
}

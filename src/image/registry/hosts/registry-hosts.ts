import { OverlayerError } from '../../../base/errors.js';
import { isLoopback } from '../http/route.js';
import type { HostDirectories } from './host-directories.js';
import type { HostEntry } from './hosts-file.js';
import { NO_SETTINGS, type TLSSettings } from './server-trust.js';

/** A server with a registry's images, and the settings of its connections. */
export interface RegistryHost {
  readonly isMirror: boolean;
  /** URLs of its API: `https://registry.example/v2`. Of several the first that responds is used. */
  readonly urls: readonly URL[];
  readonly canPull: boolean;
  /** A mirror can be pushed to only if its `hosts.toml` gives it the capability. */
  readonly canPush: boolean;
  /** Whether it may resolve tags. */
  readonly canResolve: boolean;
  /** Headers that are sent to this server only. */
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TLSSettings;
  /** Whether a server without TLS may redirect to, or get tokens from, other servers without TLS. */
  readonly plainHTTP: boolean;
}

interface RegistryHostOptions {
  readonly mirrors?: Readonly<Record<string, readonly string[]>> | undefined;
  readonly plainHTTP?: boolean | undefined;
}

const DOCKER_HUB = 'docker.io';
const DOCKER_HUB_HOST = 'registry-1.docker.io';

/**
 * The servers for a registry's images in the order of requests: the given mirrors, those of its `hosts.toml`, itself.
 *
 * @throws OverlayerError `InvalidArgument` for a mirror with a malformed URL, or without TLS unless `plainHTTP` is set; and
 *   as `HostDirectories.servers` and `settings`
 */
export async function registryHosts(
  domain: string,
  directories: HostDirectories,
  { mirrors = {}, plainHTTP = false }: RegistryHostOptions,
): Promise<readonly RegistryHost[]> {
  const given = (mirrors[domain] ?? []).map((text) => mirrorURL(text, plainHTTP));
  const hosts = given.map(async (url): Promise<RegistryHost> => {
    const tls = await directories.certificates(url.host);
    const can = { canPull: true, canPush: false, canResolve: true };
    return { isMirror: true, urls: [url], ...can, headers: {}, tls, plainHTTP };
  });
  const entries = (await directories.servers(domain)) ?? [undefined];
  const configured = entries.map(async (entry, index): Promise<RegistryHost> => {
    const urls = entry?.url === undefined ? registryURLs(domain, plainHTTP) : [entry.url];
    const settings = entry === undefined ? NO_SETTINGS : await directories.settings(entry);
    const isMirror = index < entries.length - 1;
    return {
      isMirror,
      urls,
      canPull: entry?.canPull ?? true,
      canPush: entry?.canPush ?? !isMirror,
      canResolve: entry?.canResolve ?? true,
      headers: entry?.headers ?? {},
      tls: both(settings, await directories.certificates(hostOf(entry, domain))),
      plainHTTP: plainHTTP || urls[0]!.protocol === 'http:',
    };
  });
  return await Promise.all([...hosts, ...configured]);
}

/** Whether a server is a mirror, which needs the registry's name in each request. */
export function isForeign({ protocol, host }: URL, domain: string): boolean {
  return host !== new URL(`${protocol}//${domain === DOCKER_HUB ? DOCKER_HUB_HOST : domain}`).host;
}

/** Name of the server's directory of certificates. */
function hostOf(entry: HostEntry | undefined, domain: string): string {
  const host = entry?.url?.host ?? domain;
  return host === DOCKER_HUB_HOST ? DOCKER_HUB : host;
}

function both(one: TLSSettings, other: TLSSettings): TLSSettings {
  return {
    ca: [...one.ca, ...other.ca],
    clients: [...one.clients, ...other.clients],
    skipVerify: one.skipVerify || other.skipVerify,
  };
}

/** A registry on this machine often has no TLS: both URLs are tried. */
function registryURLs(domain: string, plainHTTP: boolean): readonly URL[] {
  const host = domain === DOCKER_HUB ? DOCKER_HUB_HOST : domain;
  const [secure, plain] = [new URL(`https://${host}/v2`), new URL(`http://${host}/v2`)];
  if (plainHTTP) return [plain];
  return isLoopback(secure) ? [secure, plain] : [secure];
}

/** URL of the API. A path below `/v2` is kept: it may be the project of a proxy. */
function mirrorURL(text: string, plainHTTP: boolean): URL {
  const wrong = (why: string) => new OverlayerError('InvalidArgument', `Not a mirror: "${text}": ${why}`);
  if (!URL.canParse(text)) throw wrong('it is no URL');
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') throw wrong('credentials have no place in it');
  const path = url.pathname.replace(/\/+$/, '');
  url.pathname = /^\/v2(\/|$)/.test(path) ? path : `${path}/v2`;
  if (url.protocol === 'https:') return url;
  if (url.protocol !== 'http:') throw wrong('it is neither https nor http');
  if (plainHTTP || isLoopback(url)) return url;
  throw wrong('it is not https, and plainHTTP is not given');
}

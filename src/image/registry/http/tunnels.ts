import type { Dispatcher } from 'undici';
import type { ServerTrust } from '../hosts/server-trust.js';
import type { HttpProxy } from './proxy-of.js';

interface Timeouts {
  readonly headersTimeout: number;
  readonly bodyTimeout: number;
}

/** Connections to servers, through proxies. */
export class Tunnels {
  readonly #timeouts: Timeouts;
  readonly #trust: ServerTrust;
  readonly #dispatchers = new Map<string, Promise<Dispatcher>>();

  constructor(timeouts: Timeouts, trust: ServerTrust) {
    this.#timeouts = timeouts;
    this.#trust = trust;
  }

  async to({ origin, hostname }: URL, { url }: HttpProxy): Promise<Dispatcher> {
    const key = `${origin} ${url.href}`;
    const dispatcher = this.#dispatchers.get(key) ?? this.#open(hostname, url);
    this.#dispatchers.set(key, dispatcher);
    return await dispatcher;
  }

  async close(): Promise<void> {
    for (const dispatcher of this.#dispatchers.values())
      await dispatcher.then((opened) => opened.destroy()).catch(() => {});
  }

  async #open(hostname: string, proxy: URL): Promise<Dispatcher> {
    // The whole: its parts alone have no `connect`.
    const { Pool, ProxyAgent } = await import('undici');
    return new ProxyAgent({
      ...this.#timeouts,
      // undici lets the proxy resolve names in any case.
      uri: proxy.href.replace(/^socks5h:/, 'socks5:'),
      clientFactory: (origin, options) => new Pool(origin, { ...options, ...this.#timeouts }),
      requestTls: await this.#trust.widest(hostname),
      ...(proxy.protocol === 'https:' ? { proxyTls: await this.#trust.widest(proxy.hostname) } : {}),
    });
  }
}

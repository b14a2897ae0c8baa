import type { Socket } from 'node:net';
import type { buildConnector, Dispatcher } from 'undici';
import connector from 'undici/lib/core/connect.js';
import { isUnknownIssuer, type ServerTrust, type TrustOptions } from '../hosts/server-trust.js';
import type { HttpProxy } from './route.js';

/** 64 KiB cost a fifth more time, 512 KiB no less. */
const READ_BYTES = 256 * 1024;
/** The size of a TLS record. */
const TLS_READ_BYTES = 16 * 1024;
/** Less may end within the headers of an answer, no more than that: undici keeps those in the memory in which they came. */
const MOST_HEADERS_BYTES = 16 * 1024;

/**
 * Connections that read into two buffers in turn. A socket allocates a buffer for each read; collecting these took 0.3 of
 * the 0.7 s for 352 MB. The receiver of a body must copy each chunk immediately.
 */
export function reusingConnector(timeoutMs: number, trust: ServerTrust): buildConnector.connector {
  const sessions = new Map<string, Buffer>();

  const open = (options: buildConnector.Options, tls: TrustOptions): Promise<Socket> => {
    const size = options.protocol === 'https:' ? TLS_READ_BYTES : READ_BYTES;
    const { hostname } = options;
    const session = sessions.get(hostname);
    let socket: Socket | undefined;
    let next: Uint8Array = Buffer.allocUnsafeSlow(size);
    let spare: Uint8Array | undefined;
    const connect = connector({
      timeout: timeoutMs,
      onread: {
        buffer: () => next,
        callback: (length, memory) => {
          const bytes = memory.subarray(0, length);
          if (length < MOST_HEADERS_BYTES) return socket?.push(Buffer.from(bytes)) ?? false;
          // The last buffer is free again unless its bytes are still unread.
          next = socket?.readableLength === 0 && spare !== undefined ? spare : Buffer.allocUnsafeSlow(size);
          spare = memory;
          return socket?.push(bytes) ?? false;
        },
      },
      ...(session === undefined ? {} : { session }),
      ...tls,
    });
    return new Promise((resolve, reject) => {
      connect(options, (...[error, connected]) => {
        if (error !== null) return reject(error);
        socket = connected;
        socket.on('session', (session: Buffer) => sessions.set(hostname, session));
        resolve(socket);
      });
    });
  };

  const openTrusted = async (options: buildConnector.Options): Promise<Socket> => {
    const { hostname, protocol } = options;
    if (protocol !== 'https:') return await open(options, {});
    try {
      return await open(options, await trust.options(hostname));
    } catch (error) {
      if (!isUnknownIssuer(error)) throw error;
      return await open(options, await trust.widest(hostname));
    }
  };

  return (options, callback) => {
    openTrusted(options).then(
      (socket) => callback(null, socket),
      (error) => callback(error, null),
    );
  };
}

interface Timeouts {
  readonly headersTimeout: number;
  readonly bodyTimeout: number;
}

/** Connections to servers through proxies. */
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
    // The whole package: its parts have no `connect`.
    const { Pool, ProxyAgent } = await import('undici');
    return new ProxyAgent({
      ...this.#timeouts,
      // undici always lets the proxy resolve names.
      uri: proxy.href.replace(/^socks5h:/, 'socks5:'),
      clientFactory: (origin, options) => new Pool(origin, { ...options, ...this.#timeouts }),
      requestTls: await this.#trust.widest(hostname),
      ...(proxy.protocol === 'https:' ? { proxyTls: await this.#trust.widest(proxy.hostname) } : {}),
    });
  }
}

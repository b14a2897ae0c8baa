import { Agent, type ClientRequestArgs, request } from 'node:http';
import { connect, type OnReadOpts, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTLS } from 'node:tls';
import { basicAuthorization } from '../auth/credentials.js';
import { isUnknownIssuer, type ServerTrust, type TrustOptions } from '../hosts/server-trust.js';
import { closedError } from './http-exchange.js';
import type { HttpProxy, Route } from './route.js';

/** 64 KiB cost a fifth more time, 512 KiB no less. */
const READ_BYTES = 256 * 1024;
/** The size of a TLS record. */
const TLS_READ_BYTES = 16 * 1024;
/** Shorter reads get memory of their own: TLS and a SOCKS proxy may keep them. */
const SHORT_BYTES = 16 * 1024;
/** Servers close idle connections after some time, most of them after 5 s or more. */
const IDLE_MS = 4000;

const PORTS: Readonly<Record<string, number>> = {
  'http:': 80,
  'https:': 443,
  'socks5:': 1080,
  'socks5h:': 1080,
};

/** Where a request is sent, as options of `http.request`. */
export interface Destination {
  readonly agent: Agent;
  readonly protocol: string;
  readonly hostname: string;
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Persistent connections to servers, also through proxies. */
export class Connections {
  readonly #timeoutMs: number;
  readonly #trust: ServerTrust;
  readonly #agents = new Map<string, Agent>();
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Map<string, Buffer>();
  #isClosed = false;

  /** @param timeoutMs limit for each step of connecting: TCP, a proxy's tunnel, TLS */
  constructor(timeoutMs: number, trust: ServerTrust) {
    this.#timeoutMs = timeoutMs;
    this.#trust = trust;
  }

  /** A proxy gets the whole URL for HTTP. HTTPS, and all that passes a SOCKS proxy, goes through a tunnel. */
  to({ url, proxy }: Route): Destination {
    const path = url.pathname + url.search;
    const headers = { host: url.host };
    if (proxy === undefined || url.protocol === 'https:' || proxy.url.protocol.startsWith('socks'))
      return { ...this.#by(url, proxy), path, headers };
    return {
      ...this.#by(proxy.url),
      path: url.origin + path,
      headers: { ...headers, ...proxyAuthorization(proxy.url) },
    };
  }

  /** Ends all connections, and those that are being made. */
  close(): void {
    this.#isClosed = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  #by({ protocol, hostname, port }: URL, tunnel?: HttpProxy): Omit<Destination, 'path' | 'headers'> {
    const key = `${protocol} ${tunnel?.url.href}`;
    const agent =
      this.#agents.get(key) ??
      new ConnectingAgent(protocol, (target) => this.#open(protocol, target, tunnel));
    this.#agents.set(key, agent);
    return { agent, protocol, ...placeOf({ protocol, hostname, port }) };
  }

  async #open(protocol: string, target: Target, proxy: HttpProxy | undefined): Promise<Socket> {
    const base = proxy === undefined ? undefined : await this.#tunnel(target, proxy.url);
    if (protocol === 'https:') return await this.#openTrusted(target, base);
    return base ?? (await this.#connect(target, reusingMemory(READ_BYTES)));
  }

  async #openTrusted(target: Target, base: Socket | undefined): Promise<Socket> {
    // A tunnel has no second attempt.
    if (base !== undefined)
      return await this.#secure(target, await this.#trust.widest(target.hostname), base);
    try {
      return await this.#secure(target, await this.#trust.options(target.hostname));
    } catch (error) {
      if (!isUnknownIssuer(error)) throw error;
      return await this.#secure(target, await this.#trust.widest(target.hostname));
    }
  }

  async #connect({ hostname, port }: Target, onread?: ReusedMemory): Promise<Socket> {
    const socket = connect({
      host: hostname,
      port,
      noDelay: true,
      ...(onread && { onread: onread.options }),
    });
    return await this.#ready(onread?.of(socket) ?? socket, 'connect');
  }

  async #secure(
    { hostname, port, servername }: Target,
    trust: TrustOptions,
    base: Socket | undefined = undefined,
  ): Promise<Socket> {
    const session = this.#sessions.get(hostname);
    const onread = reusingMemory(TLS_READ_BYTES);
    const socket = connectTLS({
      ...{
        host: hostname,
        port,
        servername,
        noDelay: true,
        ALPNProtocols: ['http/1.1'],
        onread: onread.options,
      },
      ...(session === undefined ? {} : { session }),
      ...(base === undefined ? {} : { socket: base }),
      ...trust,
    });
    socket.on('session', (given) => this.#sessions.set(hostname, given));
    return await this.#ready(onread.of(socket), 'secureConnect');
  }

  /** A connection through a proxy, which looks the host's name up. */
  async #tunnel(target: Target, proxy: URL): Promise<Socket> {
    const place = { ...placeOf(proxy), servername: undefined };
    const socket =
      proxy.protocol === 'https:'
        ? await this.#secure(place, await this.#trust.widest(place.hostname))
        : await this.#connect(place);
    const timer = setTimeout(() => socket.destroy(timedOut()), this.#timeoutMs);
    try {
      await (proxy.protocol.startsWith('socks') ? askSocksProxy : askHttpProxy)(socket, target, proxy);
      return socket;
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #ready(socket: Socket, event: 'connect' | 'secureConnect'): Promise<Socket> {
    if (this.#isClosed) socket.destroy();
    this.#sockets.add(socket);
    const timer = setTimeout(() => socket.destroy(timedOut()), this.#timeoutMs);
    return new Promise((resolve, reject) => {
      socket.once(event, () => {
        clearTimeout(timer);
        resolve(socket);
      });
      // Stays: an error of a socket that has no listener would end the process.
      socket.on('error', reject);
      socket.once('close', () => {
        clearTimeout(timer);
        this.#sockets.delete(socket);
        reject(closedError());
      });
    });
  }
}

interface Place {
  readonly hostname: string;
  readonly port: number;
}

interface Target extends Place {
  /** For TLS. Undefined or empty for an address. */
  readonly servername: string | undefined;
}

function placeOf({ protocol, hostname, port }: Pick<URL, 'protocol' | 'hostname' | 'port'>): Place {
  return { hostname: hostname.replace(/^\[|\]$/g, ''), port: Number(port || PORTS[protocol]) };
}

/** An agent whose connections are ready when a request gets them. */
class ConnectingAgent extends Agent {
  readonly protocol: string;
  readonly defaultPort: number;
  readonly #open: (target: Target) => Promise<Socket>;

  constructor(protocol: string, open: (target: Target) => Promise<Socket>) {
    super({ keepAlive: true, timeout: IDLE_MS });
    this.protocol = protocol;
    this.defaultPort = PORTS[protocol]!;
    this.#open = open;
  }

  override createConnection(
    options: ClientRequestArgs & { readonly servername?: string },
    callback: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    const { host, port, servername } = options;
    this.#open({ hostname: host!, port: Number(port), servername }).then(
      (socket) => callback(null, socket),
      (error) => callback(error, undefined as never),
    );
  }
}

interface ReusedMemory {
  readonly options: OnReadOpts;
  of(socket: Socket): Socket;
}

/**
 * Lets a socket read into two buffers in turn. A socket allocates a buffer for each read; collecting these took 0.3 of the
 * 0.7 s for 352 MB. `node:http` copies the bytes of bodies.
 */
function reusingMemory(size: number): ReusedMemory {
  let socket: Socket | undefined;
  let next: Uint8Array = Buffer.allocUnsafeSlow(size);
  let spare: Uint8Array | undefined;
  return {
    options: {
      buffer: () => next,
      callback: (length, memory) => {
        const bytes = memory.subarray(0, length);
        if (length < SHORT_BYTES) return socket?.push(Buffer.from(bytes)) ?? false;
        // The last buffer is free again unless its bytes are still unread.
        next = socket?.readableLength === 0 && spare !== undefined ? spare : Buffer.allocUnsafeSlow(size);
        spare = memory;
        return socket?.push(bytes) ?? false;
      },
    },
    of: (opened) => (socket = opened),
  };
}

/** @throws Error `The proxy answers with status 407`, with the status */
async function askHttpProxy(base: Socket, { hostname, port }: Place, proxy: URL): Promise<void> {
  const path = `${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`;
  const headers = { host: path, ...proxyAuthorization(proxy) };
  const status = await new Promise<number>((resolve, reject) => {
    request({ method: 'CONNECT', path, headers, createConnection: () => base })
      .on('connect', (response, _, head: Buffer) => {
        if (head.length > 0) base.unshift(head);
        resolve(response.statusCode!);
      })
      .on('error', reject)
      .end();
  });
  if (status < 200 || status > 299) throw new ProxyRefusal(status);
}

/** A proxy that makes no tunnel. */
export class ProxyRefusal extends Error {
  override readonly name = 'ProxyRefusal';
  readonly status: number;

  constructor(status: number) {
    super(`The proxy answers ${status}`);
    this.status = status;
  }
}

async function askSocksProxy(base: Socket, { hostname, port }: Place, proxy: URL): Promise<void> {
  const { SocksClient } = await import('socks');
  const [userId, password] = [proxy.username, proxy.password].map(decodeURIComponent) as [string, string];
  await SocksClient.createConnection({
    command: 'connect',
    existing_socket: base,
    proxy: {
      ...{ host: proxy.hostname, port: Number(proxy.port) || 1080, type: 5 },
      ...(userId && { userId, password }),
    },
    destination: { host: hostname, port },
  });
}

function proxyAuthorization({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === '') return {};
  const authorization = basicAuthorization(decodeURIComponent(username), decodeURIComponent(password));
  return { 'proxy-authorization': authorization };
}

function timedOut(): Error {
  return Object.assign(new Error('No connection in time'), { code: 'ETIMEDOUT' });
}

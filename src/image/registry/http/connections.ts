import { Agent, type ClientRequestArgs } from 'node:http';
import { connect, isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTLS } from 'node:tls';
import { isUnknownIssuer, type ServerTrust, type TrustOptions } from '../hosts/server-trust.js';
import { closedError } from './http-exchange.js';
import { type ReusedMemory, reusingMemory } from './reused-memory.js';
import type { HttpProxy, Route } from './route.js';
import { askProxy, type Place, PORTS, placeOf, proxyAuthorization } from './tunnel.js';

/** 64 KiB cost a fifth more time, 512 KiB no less. */
const READ_BYTES = 256 * 1024;
/** The size of a TLS record. */
const TLS_READ_BYTES = 16 * 1024;
/** Servers close idle connections after some time, most of them after 5 s or more. */
const IDLE_MS = 4000;

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

  async #open(protocol: string, target: Place, proxy: HttpProxy | undefined): Promise<Socket> {
    const base = proxy === undefined ? undefined : await this.#tunnel(target, proxy.url);
    if (protocol === 'https:') return await this.#openTrusted(target, base);
    return base ?? (await this.#connect(target, reusingMemory(READ_BYTES)));
  }

  async #openTrusted(target: Place, base: Socket | undefined): Promise<Socket> {
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

  async #connect({ hostname, port }: Place, onread?: ReusedMemory): Promise<Socket> {
    const socket = connect({
      host: hostname,
      port,
      noDelay: true,
      ...(onread && { onread: onread.options }),
    });
    return await this.#ready(onread?.of(socket) ?? socket, 'connect');
  }

  async #secure(
    { hostname, port }: Place,
    trust: TrustOptions,
    base: Socket | undefined = undefined,
  ): Promise<Socket> {
    const session = this.#sessions.get(hostname);
    const onread = reusingMemory(TLS_READ_BYTES);
    const socket = connectTLS({
      ...{
        host: hostname,
        port,
        // That of the server, also where a header `Host` names another one.
        servername: isIP(hostname) === 0 ? hostname : '',
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
  async #tunnel(target: Place, proxy: URL): Promise<Socket> {
    const place = placeOf(proxy);
    const socket =
      proxy.protocol === 'https:'
        ? await this.#secure(place, await this.#trust.widest(place.hostname))
        : await this.#connect(place);
    const timer = setTimeout(() => socket.destroy(timedOut()), this.#timeoutMs);
    try {
      await askProxy(socket, target, proxy);
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

/** An agent whose connections are ready when a request gets them. */
class ConnectingAgent extends Agent {
  readonly protocol: string;
  readonly defaultPort: number;
  readonly #open: (target: Place) => Promise<Socket>;

  constructor(protocol: string, open: (target: Place) => Promise<Socket>) {
    super({ keepAlive: true, timeout: IDLE_MS });
    this.protocol = protocol;
    this.defaultPort = PORTS[protocol]!;
    this.#open = open;
  }

  override createConnection(
    { host, port }: ClientRequestArgs,
    callback: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    this.#open({ hostname: host!, port: Number(port) }).then(
      (socket) => callback(null, socket),
      (error) => callback(error, undefined as never),
    );
  }
}

function timedOut(): Error {
  return Object.assign(new Error('No connection in time'), { code: 'ETIMEDOUT' });
}

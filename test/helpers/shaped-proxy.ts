import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** How slow each connection is. */
export interface Shape {
  /** Time of a round trip in milliseconds. A new connection takes another one. @default 0 */
  readonly latencyMs?: number;
  /** Rate of each connection towards the client. @default unlimited */
  readonly bytesPerSecond?: number;
}

/** Bytes that are on their way, besides those that the latency keeps there. */
const HELD_BYTES = 128 * 1024;
/** A slow connection delivers its bytes in pieces of this time. */
const TICK_MS = 2;

/** A proxy for TCP on a port of this machine, with the latency and the rate of a distant server. */
export class ShapedProxy {
  /** `127.0.0.1:…` */
  readonly host: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #count = { now: 0, most: 0 };

  private constructor(server: Server) {
    this.#server = server;
    this.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** @param behind `127.0.0.1:…` */
  static async start(behind: string, shape: Shape): Promise<ShapedProxy> {
    const server = createServer({ noDelay: true }, (client) => proxy.#accept(client, behind, shape));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new ShapedProxy(server);
    return proxy;
  }

  /** The most connections that were open at once. */
  get mostConnections(): number {
    return this.#count.most;
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }

  #accept(client: Socket, behind: string, { latencyMs = 0, bytesPerSecond = Infinity }: Shape): void {
    const [host, port] = behind.split(':') as [string, string];
    const server = connect({ host, port: Number(port), noDelay: true });
    this.#count.most = Math.max(this.#count.most, ++this.#count.now);
    client.once('close', () => this.#count.now--);
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => client.destroy());
      socket.on('close', () => this.#sockets.delete(socket));
    }
    client.on('close', () => server.destroy());
    new Link(client, server, { delayMs: latencyMs / 2, openAt: performance.now() + latencyMs });
    new Link(server, client, { delayMs: latencyMs / 2, bytesPerMs: bytesPerSecond / 1000 });
  }
}

interface LinkOptions {
  readonly delayMs: number;
  readonly bytesPerMs?: number;
  /** When the connection is established. */
  readonly openAt?: number;
}

/** One direction of a connection. */
class Link {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #delayMs: number;
  readonly #bytesPerMs: number;
  readonly #queue: { readonly bytes: Buffer | undefined; readonly at: number }[] = [];
  /** When the last byte so far has left. */
  #leftAt: number;
  #held = 0;
  readonly #most: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket, to: Socket, { delayMs, bytesPerMs = Infinity, openAt = 0 }: LinkOptions) {
    this.#from = from;
    this.#to = to;
    this.#delayMs = delayMs;
    this.#bytesPerMs = bytesPerMs;
    this.#most = HELD_BYTES + (Number.isFinite(bytesPerMs) ? bytesPerMs * delayMs : 0);
    this.#leftAt = openAt;
    from.on('data', (bytes: Buffer) => this.#add(bytes));
    from.on('end', () => this.#put(undefined, 0));
    to.on('close', () => clearTimeout(this.#timer));
  }

  #add(bytes: Buffer): void {
    // Small pieces, so that a large one does not come at its end only.
    const piece = Math.max(1, Math.ceil(Math.min(bytes.length, this.#bytesPerMs * TICK_MS)));
    for (let at = 0; at < bytes.length; at += piece) {
      const part = bytes.subarray(at, at + piece);
      this.#put(part, part.length);
    }
    if (this.#held > this.#most) this.#from.pause();
  }

  #put(bytes: Buffer | undefined, length: number): void {
    this.#held += length;
    this.#leftAt = Math.max(this.#leftAt, performance.now()) + length / this.#bytesPerMs;
    this.#queue.push({ bytes, at: this.#leftAt + this.#delayMs });
    this.#deliverLater();
  }

  #deliverLater(): void {
    const [next] = this.#queue;
    if (next === undefined || this.#timer !== undefined) return;
    const deliver = () => {
      this.#timer = undefined;
      this.#deliver();
    };
    this.#timer = setTimeout(deliver, next.at - performance.now());
  }

  #deliver(): void {
    const now = performance.now();
    const due: Buffer[] = [];
    let isEnd = false;
    while (this.#queue.length > 0 && this.#queue[0]!.at <= now) {
      const { bytes } = this.#queue.shift()!;
      if (bytes === undefined) isEnd = true;
      else due.push(bytes);
    }
    const bytes = Buffer.concat(due);
    this.#held -= bytes.length;
    const goOn = () => {
      if (this.#held <= this.#most) this.#from.resume();
      this.#deliverLater();
    };
    if (isEnd) this.#to.end(bytes);
    else if (this.#to.write(bytes)) goOn();
    else this.#to.once('drain', goOn);
  }
}

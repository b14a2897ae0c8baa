import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach } from 'vitest';
import { type ImageSource, type OpenRegistryOptions, openRegistry } from '../../../src/index.js';
import type { Descriptor } from '../../../src/oci/descriptor.js';

/** A request for a blob. */
export interface RangeRequest {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly response: ServerResponse;
  /** The range that is asked for; undefined for the whole blob. */
  readonly range: { readonly start: number; readonly end: number } | undefined;
  /** How many requests for ranges came before. */
  readonly before: number;
  /** Answers as a server that sends ranges. */
  send(change?: AnswerChange): void;
}

export interface AnswerChange {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Another range than the one that is asked for. */
  readonly range?: { readonly start: number; readonly end: number };
  /** The connection breaks after so many bytes of the body. */
  readonly breakAfter?: number;
  /** No byte comes after so many bytes of the body. */
  readonly stallAfter?: number;
}

/** @returns whether it has answered; otherwise the server sends what is asked for */
export type Behaviour = (request: RangeRequest) => boolean;

/** A registry with one blob. */
export class RangeServer {
  readonly host: string;
  readonly blob: Descriptor;
  readonly bytes: Buffer;
  readonly requests: RangeRequest[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #server: ReturnType<typeof createServer>;

  private constructor(server: ReturnType<typeof createServer>, bytes: Buffer) {
    this.#server = server;
    this.bytes = bytes;
    this.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.blob = {
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
      size: bytes.length,
    };
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(bytes: Buffer, behave: Behaviour = () => false): Promise<RangeServer> {
    const server = createServer(({ url = '/', headers }, response) => {
      const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
      const range = start === undefined ? undefined : { start: Number(start), end: Number(end) + 1 };
      const before = started.ranges.length;
      const send = (change?: AnswerChange) => answer(response, bytes, range, change);
      const request = { url, headers, response, range, before, send };
      started.requests.push(request);
      if (!behave(request)) send();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const started = new RangeServer(server, bytes);
    return started;
  }

  get ranges(): readonly RangeRequest[] {
    return this.requests.filter(({ range }) => range !== undefined);
  }

  /** Waits until all who are connected now have gone. */
  async deserted(): Promise<void> {
    const gone = (socket: Socket) => new Promise((resolve) => socket.on('close', resolve));
    await Promise.all([...this.#sockets].map(gone));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

function answer(
  response: ServerResponse,
  bytes: Buffer,
  asked: RangeRequest['range'],
  { status, headers, range = asked, breakAfter, stallAfter }: AnswerChange = {},
): void {
  const { start, end } = range ?? { start: 0, end: bytes.length };
  const body = bytes.subarray(start, end);
  const all = {
    'accept-ranges': 'bytes',
    'content-length': String(body.length),
    'content-range': range && `bytes ${start}-${end - 1}/${bytes.length}`,
    ...headers,
  };
  const present = Object.entries(all).filter((header): header is [string, string] => header[1] !== undefined);
  response.writeHead(status ?? (range === undefined ? 200 : 206), Object.fromEntries(present));
  if (stallAfter !== undefined) response.write(body.subarray(0, stallAfter));
  else if (breakAfter === undefined) response.end(body);
  else response.write(body.subarray(0, breakAfter), () => response.destroy());
}

const CONTENT = randomBytes(24 << 20);

/** Starts servers and opens sources, which end with the test. */
export function useRangeServers() {
  const open: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
  });
  const start = async (behave?: Behaviour, size = 12 << 20): Promise<RangeServer> => {
    const server = await RangeServer.start(CONTENT.subarray(0, size), behave);
    open.push(() => server.close());
    return server;
  };
  const source = async (
    { host }: { readonly host: string },
    options?: OpenRegistryOptions,
  ): Promise<ImageSource> => {
    const opened = await openRegistry(`${host}/some/image:1`, { retries: 2, ...options });
    open.push(() => opened.close());
    return opened;
  };
  return { start, source };
}

import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface UploadRequest {
  readonly method: string;
  readonly url: URL;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Requests of this method before this one. */
  readonly before: number;
  /** A quirk sets it to close the connection after this many bytes of the body. */
  cutAfter?: number | undefined;
}

/** @returns true when it has answered; else the registry answers */
export type Quirk = (asked: UploadRequest) => boolean | Promise<boolean>;

interface StoredManifest {
  readonly type: string;
  readonly bytes: Buffer;
}

/**
 * A registry in memory that continues broken uploads as the distribution spec says, which docker-registry does not. A quirk
 * answers in its place.
 */
export class UploadRegistry {
  readonly host: string;
  readonly requests: {
    readonly method: string;
    readonly path: string;
    readonly headers: NodeJS.Dict<string>;
  }[] = [];
  readonly blobs = new Map<string, Buffer>();
  readonly manifests = new Map<string, StoredManifest>();
  /** Bytes of the uploads that have not ended, by session. */
  readonly sessions = new Map<string, Buffer>();
  /** Bytes of bodies that have come. */
  received = 0;
  readonly #server: ReturnType<typeof createServer>;
  readonly #quirk: Quirk;
  readonly #sockets = new Set<Socket>();

  private constructor(server: ReturnType<typeof createServer>, quirk: Quirk) {
    this.#server = server;
    this.#quirk = quirk;
    this.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    server.on('request', (request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
  }

  static async start(quirk: Quirk = () => false): Promise<UploadRegistry> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new UploadRegistry(server, quirk);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** Methods of the requests so far. */
  get methods(): string {
    return this.requests.map(({ method }) => method).join(' ');
  }

  /** Resolves when no client is connected. */
  async deserted(): Promise<void> {
    const closed = (socket: Socket) => new Promise((resolve) => socket.on('close', resolve));
    await Promise.all([...this.#sockets].map(closed));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', headers } = request;
    const url = new URL(request.url ?? '/', `http://${this.host}`);
    const before = this.requests.filter((one) => one.method === method).length;
    this.requests.push({ method, path: url.pathname + url.search, headers: headers as NodeJS.Dict<string> });
    const asked: UploadRequest = { method, url, request, response, before };
    if (await this.#quirk(asked)) return;
    const [, kind = '', name = ''] =
      /^\/v2\/.+?\/(manifests|blobs\/uploads|blobs)\/(.*)$/.exec(url.pathname) ?? [];
    if (kind === 'manifests') await this.#manifest(method, name, request, response);
    else if (kind === 'blobs') this.#blob(name, response);
    else if (kind === 'blobs/uploads') await this.#upload(asked, name);
    else response.writeHead(404).end();
  }

  #blob(digest: string, response: ServerResponse): void {
    const bytes = this.blobs.get(digest);
    response.writeHead(bytes === undefined ? 404 : 200).end(bytes);
  }

  async #manifest(
    method: string,
    name: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    if (method === 'PUT') {
      const bytes = Buffer.concat(await request.toArray());
      const type = request.headers['content-type'] ?? '';
      for (const key of [name, `sha256:${createHash('sha256').update(bytes).digest('hex')}`])
        this.manifests.set(key, { type, bytes });
      response.writeHead(201).end();
      return;
    }
    const found = this.manifests.get(name);
    response
      .writeHead(found === undefined ? 404 : 200, { 'content-type': found?.type ?? '' })
      .end(found?.bytes);
  }

  async #upload({ method, url, request, response, cutAfter }: UploadRequest, session: string): Promise<void> {
    const answer = (status: number, headers = {}) => response.writeHead(status, headers).end();
    const path = url.pathname.replace(/[^/]*$/, '');
    if (method === 'POST') {
      const id = randomUUID();
      this.sessions.set(id, Buffer.alloc(0));
      return void answer(202, { location: `${path}${id}?_state=a%2Fb` });
    }
    const kept = this.sessions.get(session);
    if (kept === undefined) return void answer(404);
    const range = (bytes: Buffer) => ({
      location: `${path}${session}?_state=a%2Fb`,
      ...(bytes.length > 0 ? { range: `0-${bytes.length - 1}` } : {}),
    });
    if (method === 'GET') return void answer(204, range(kept));
    if (method === 'DELETE') {
      this.sessions.delete(session);
      return void answer(204);
    }
    const from = /^(\d+)-/.exec(request.headers['content-range'] ?? '')?.[1];
    if (from !== undefined && Number(from) !== kept.length) return void answer(416, range(kept));
    const chunks = [kept];
    let come = 0;
    try {
      for await (const chunk of request) {
        chunks.push(chunk);
        this.received += chunk.length;
        come += chunk.length;
        if (cutAfter !== undefined && come >= cutAfter) request.socket.destroy();
      }
    } finally {
      if (this.sessions.has(session)) this.sessions.set(session, Buffer.concat(chunks));
    }
    const bytes = Buffer.concat(chunks);
    if (method === 'PATCH') return void answer(202, range(bytes));
    const digest = url.searchParams.get('digest') ?? '';
    this.sessions.delete(session);
    if (digest !== `sha256:${createHash('sha256').update(bytes).digest('hex')}`) {
      const errors = [{ code: 'DIGEST_INVALID', message: 'provided digest did not match' }];
      response.writeHead(400).end(JSON.stringify({ errors }));
      return;
    }
    this.blobs.set(digest, bytes);
    answer(201);
  }
}

/** A quirk that closes the connection after a number of bytes of each of the first bodies. */
export function cutBodies(method: string, offsets: readonly number[]): Quirk {
  return (asked) => {
    if (asked.method === method) asked.cutAfter = offsets[asked.before];
    return false;
  };
}

import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** What the server behind says. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** How many requests for this kind of thing came before, in this proxy's life. */
  readonly before: number;
  /** What the server behind says to this request. */
  ask(): Promise<Answer>;
}

/** @returns whether it has answered; else the answer is what the server behind says */
export type Meddling = (exchange: Exchange) => Promise<boolean> | boolean;

/** A server of HTTP before another one, which does what a test wants of it. */
export class RegistryProxy {
  readonly host: string;
  readonly requests: {
    readonly method: string;
    readonly url: string;
    readonly headers: IncomingHttpHeaders;
  }[] = [];
  readonly #server: ReturnType<typeof createServer>;
  readonly sockets = new Set<Socket>();

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    this.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
  }

  /** @param behind `127.0.0.1:…` @param meddle with the requests whose path has `about` in it */
  static async start(behind: string, about: string, meddle: Meddling): Promise<RegistryProxy> {
    let before = 0;
    const server = createServer((incoming, response) => {
      const { method = 'GET', url = '/', headers } = incoming;
      proxy.requests.push({ method, url, headers });
      const ask = () => forward(behind, incoming);
      const isAbout = url.includes(about);
      const meddled = isAbout ? meddle({ request: incoming, response, before: before++, ask }) : false;
      Promise.resolve(meddled)
        .then(async (answered) => {
          if (!answered) send(response, await ask());
        })
        .catch(() => response.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new RegistryProxy(server);
    return proxy;
  }

  /** Until all who are connected now have gone. */
  async deserted(): Promise<void> {
    await Promise.all(
      [...this.sockets].map((socket) => new Promise((resolve) => socket.on('close', resolve))),
    );
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

export function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, headers);
  response.end(body);
}

async function forward(behind: string, { method, url, headers }: IncomingMessage): Promise<Answer> {
  const outgoing = request(`http://${behind}${url}`, { method, headers, agent: false });
  outgoing.end();
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk);
  return { status: answer.statusCode!, headers: answer.headers, body: Buffer.concat(chunks) };
}

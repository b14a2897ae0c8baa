import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { createServer as createHTTPServer } from 'node:http';
import { createServer as createTLSServer } from 'node:https';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { NO_SETTINGS } from '../../../src/image/registry/hosts/server-trust.js';
import { HttpClient } from '../../../src/image/registry/http/http-client.js';
import { makeWorkDirectory } from '../../helpers/work-directory.js';

// Bodies of some size, by connections within connections. proxies.test.ts has the choice of proxies, and their refusals.

const directory = makeWorkDirectory();
const [certificate, key] = [join(directory, 'server.crt'), join(directory, 'server.key')];
const names = ['-addext', 'subjectAltName=DNS:registry.example,IP:127.0.0.1'];
const self = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=registry', '-days', '2'];
execFileSync('openssl', [...self, ...names, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
const tls = { key: readFileSync(key), cert: readFileSync(certificate) };
const body = Buffer.alloc(3 << 20, 'the bytes of a body ');

beforeEach(() => {
  vi.stubEnv('SSL_CERT_FILE', certificate);
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => {})));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Connects `socket` with the registry, after the answer of a proxy. */
function lead(socket: Socket, port: number, answer: string | Uint8Array): void {
  const behind = connect(port, '127.0.0.1', () => {
    socket.write(answer);
    socket.pipe(behind).pipe(socket);
  });
  behind.on('error', () => {});
  socket.on('error', () => {});
}

const PROXIES = {
  http: (port: number) =>
    createHTTPServer().on('connect', (_, socket: Socket) => lead(socket, port, 'HTTP/1.1 200 OK\r\n\r\n')),
  https: (port: number) =>
    createTLSServer(tls).on('connect', (_, socket: Socket) => lead(socket, port, 'HTTP/1.1 200 OK\r\n\r\n')),
  socks5: (port: number) =>
    createServer(async (socket) => {
      await once(socket, 'data');
      socket.write(Buffer.of(5, 0));
      await once(socket, 'data');
      lead(socket, port, Buffer.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
    }),
} as const;

describe.each(['http', 'https', 'socks5'] as const)('a proxy with %s', (kind) => {
  test('leads to a registry with TLS, which sees its own name', async () => {
    const asked: (string | undefined)[] = [];
    const registry = createTLSServer(tls, ({ socket }, response) => {
      asked.push((socket as unknown as { readonly servername?: string }).servername);
      response.end(body);
    });
    const proxy = await listen(PROXIES[kind](await listen(registry)));
    vi.stubEnv('https_proxy', `${kind}://127.0.0.1:${proxy}`);
    const client = new HttpClient({
      ...{ timeoutMs: 10_000, minBytesPerSecond: 0, plainHTTP: false },
      ...{ hostname: 'registry.example', tls: NO_SETTINGS },
      ending: new AbortController().signal,
    });
    onTestFinished(() => client.close());
    for (let times = 0; times < 2; times++) {
      const response = await client.request(new URL('https://registry.example/'), {});
      expect((await response.read(body.length, 'It')).equals(body)).toBe(true);
    }
    expect(asked).toEqual(['registry.example', 'registry.example']);
  });
});

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import {
  createServer as createHTTPServer,
  type IncomingMessage,
  type RequestListener,
  request,
} from 'node:http';
import { createServer as createTLSServer } from 'node:https';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { NO_SETTINGS, ServerTrust } from '../../../src/image/registry/hosts/server-trust.js';
import { Connections } from '../../../src/image/registry/http/connections.js';
import { HttpClient } from '../../../src/image/registry/http/http-client.js';
import { makeWorkDirectory } from '../../helpers/work-directory.js';

const directory = makeWorkDirectory();
const [certificate, key] = [join(directory, 'server.crt'), join(directory, 'server.key')];
const body = randomBytes(12 << 20);
const close: (() => unknown)[] = [];

beforeAll(() => {
  const self = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=server', '-days', '2'];
  execFileSync('openssl', [...self, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
});
afterEach(async () => {
  for (const each of close.splice(0).reverse()) await each();
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  close.push(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const answer: RequestListener = (_, response) => void response.end(body);
const servers = {
  http: () => createHTTPServer(answer),
  https: () => createTLSServer({ key: readFileSync(key), cert: readFileSync(certificate) }, answer),
};

/** All bytes. @param isSlow lets the connection wait after each chunk */
async function receive(origin: string, isSlow: boolean) {
  const connections = new Connections(10_000, new ServerTrust('127.0.0.1', NO_SETTINGS));
  close.push(() => connections.close());
  const memories = new Set<ArrayBufferLike>();
  const sent = request(connections.to({ url: new URL(origin), proxy: undefined })).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.socket.on('data', (read: Buffer) => memories.add(read.buffer));
  const chunks: Buffer[] = [];
  for await (const chunk of response) {
    chunks.push(chunk);
    if (isSlow) for (let turns = 0; turns < 2; turns++) await new Promise(setImmediate);
  }
  return { bytes: Buffer.concat(chunks), chunks: chunks.length, memories: memories.size };
}

describe.each(['http', 'https'] as const)('over %s', (protocol) => {
  test.each([false, true])('all bytes come as they are; the reader is slow: %s', async (isSlow) => {
    const host = await listen(servers[protocol]());
    const { bytes } = await receive(`${protocol}://${host}`, isSlow);
    expect(bytes.equals(body)).toBe(true);
  });

  test('most come in the same memory again', async () => {
    const host = await listen(servers[protocol]());
    const { chunks, memories } = await receive(`${protocol}://${host}`, false);
    expect(memories).toBeLessThan(chunks / 2);
  });
});

test('headers that come one by one are what was sent', async () => {
  const lines = [
    'HTTP/1.1 200 OK',
    'x-first: one',
    'x-second: two',
    'x-third: three',
    'content-length: 2',
    '',
    'ok',
  ];
  const server = createServer({ noDelay: true }, async (socket) => {
    await once(socket, 'data');
    for (const line of lines) {
      await new Promise((resolve) => socket.write(line === 'ok' ? line : `${line}\r\n`, resolve));
      for (let turns = 0; turns < 10; turns++) await new Promise(setImmediate);
    }
  });
  const host = await listen(server);
  const client = new HttpClient({
    ...{ timeoutMs: 10_000, minBytesPerSecond: 0, plainHTTP: false },
    ...{ hostname: '127.0.0.1', tls: NO_SETTINGS },
    ending: new AbortController().signal,
  });
  close.push(() => client.close());
  const response = await client.request(new URL(`http://${host}/`), {});
  const found = ['x-first', 'x-second', 'x-third'].map((name) => response.header(name));
  expect(found).toEqual(['one', 'two', 'three']);
  expect((await response.read(10, 'It')).toString()).toBe('ok');
});

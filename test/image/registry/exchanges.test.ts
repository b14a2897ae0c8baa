import { once } from 'node:events';
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { NO_SETTINGS } from '../../../src/image/registry/hosts/server-trust.js';
import { HttpClient } from '../../../src/image/registry/http/http-client.js';

const reason = new Error('enough');

/** A server, and a client for it. @param answer by its requests */
async function serve(answer: RequestListener) {
  const sockets = new Set<Socket>();
  const server = createServer(answer).listen(0, '127.0.0.1');
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
  });
  await once(server, 'listening');
  const client = new HttpClient({
    ...{ timeoutMs: 10_000, minBytesPerSecond: 0, plainHTTP: false },
    ...{ hostname: '127.0.0.1', tls: NO_SETTINGS },
    ending: new AbortController().signal,
  });
  onTestFinished(() => {
    client.close();
    server.close();
  });
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  return { sockets, server, get: (signal?: AbortSignal) => client.request(url, { signal }) };
}

/** A response whose body the test writes. */
async function answered(signal?: AbortSignal) {
  let response: ServerResponse | undefined;
  const served = await serve((_, given) => {
    response = given;
    given.flushHeaders();
  });
  const { chunks } = await served.get(signal).then((got) => ({ chunks: got.chunks() }));
  return { ...served, chunks, response: response! };
}

const text = ({ value }: IteratorResult<Uint8Array, void>) => Buffer.from(value ?? []).toString();

test('informational responses precede the response', async () => {
  const { get } = await serve((_, response) => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' });
    response.writeHead(404).end();
  });
  expect((await get()).status).toBe(404);
});

test('a chunk stays as it is until the next one is requested', async () => {
  const { chunks, response } = await answered();
  response.write(Buffer.alloc(100_000, 'x'));
  const { value } = await chunks.next();
  const length = value!.length;
  const more = Buffer.alloc(200_000, 'y');
  await new Promise((resolve) => response.write(more, resolve));
  for (let turns = 0; turns < 10; turns++) await new Promise(setImmediate);
  expect(Buffer.from(value!).equals(Buffer.alloc(length, 'x'))).toBe(true);
  let got = length;
  while (got < 300_000) got += (await chunks.next()).value!.length;
  expect(got).toBe(300_000);
});

test('a server waits while nobody reads', async () => {
  const { chunks, response } = await answered();
  const total = 64 << 20;
  let sent = 0;
  const send = () => {
    while (sent < total) {
      sent += 1 << 20;
      if (!response.write(Buffer.alloc(1 << 20))) return response.once('drain', send);
    }
    return response.end();
  };
  send();
  // The system's buffers hold some megabytes.
  for (let before = 0, turns = 0; turns < 50; turns = sent > before ? 0 : turns + 1) {
    before = sent;
    await new Promise(setImmediate);
  }
  expect(sent).toBeLessThan(total / 2);
  let got = 0;
  for await (const chunk of chunks) got += chunk.length;
  expect(got).toBe(total);
});

test('bytes that came before a connection broke are read before the failure', async () => {
  const { chunks, response } = await answered();
  await new Promise((resolve) => response.write('some', resolve));
  response.destroy();
  expect(text(await chunks.next())).toBe('some');
  await expect(chunks.next()).rejects.toThrow('the connection was closed');
});

test.each(['is read', 'is not read'])('a signal ends a body that %s', async (how) => {
  const controller = new AbortController();
  const { chunks, response, sockets } = await answered(controller.signal);
  const waiting = how === 'is read' ? chunks.next() : undefined;
  waiting?.catch(() => {});
  if (how === 'is not read') response.write(Buffer.alloc(32 << 20));
  const [socket] = sockets;
  const closed = new Promise((resolve) => socket!.once('close', resolve));
  controller.abort(reason);
  await expect(waiting ?? chunks.next()).rejects.toThrow('enough');
  await closed;
});

test('a signal ends the wait for a connection, and then the connection', async () => {
  const controller = new AbortController();
  const { get, sockets, server } = await serve((_, response) => response.end());
  const waiting = get(controller.signal);
  waiting.catch(() => {});
  controller.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  const [socket] = (await once(server, 'connection')) as [Socket];
  if (!socket.destroyed) await new Promise((resolve) => socket.once('close', resolve));
  expect(sockets.size).toBe(0);
});

test('a signal does not end a response that is complete: its connection has another request', async () => {
  const controller = new AbortController();
  const { get, sockets } = await serve((_, response) => response.end('all'));
  const read = async (signal?: AbortSignal) => (await (await get(signal)).read(10, 'It')).toString();
  expect(await read(controller.signal)).toBe('all');
  const [first] = sockets;
  controller.abort(reason);
  expect(await read()).toBe('all');
  expect([...sockets]).toEqual([first]);
});

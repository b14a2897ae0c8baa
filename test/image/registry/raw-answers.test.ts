import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { type ImageSource, type OpenRegistryOptions, openRegistry } from '../../../src/index.js';
import { MEDIA_TYPE } from '../../../src/oci/media-types.js';
import { within } from '../../helpers/within.js';

// Answers that no library for servers sends: bytes of a socket.

const MANIFEST = JSON.stringify({
  ...{ schemaVersion: 2, mediaType: MEDIA_TYPE.manifest, layers: [] },
  config: { mediaType: MEDIA_TYPE.config, digest: `sha256:${'0'.repeat(64)}`, size: 2 },
});
const DIGEST = `sha256:${createHash('sha256').update(MANIFEST).digest('hex')}`;
const OK = 'HTTP/1.1 200 OK\r\n';
const LENGTH = `content-length: ${MANIFEST.length}\r\n`;

/** @param answer called for each request. @returns a source of an image of the server, and the server's connections */
async function serve(
  answer: (socket: Socket, request: number) => void,
  options: OpenRegistryOptions = {},
): Promise<{ readonly source: ImageSource; readonly sockets: Socket[] }> {
  const sockets: Socket[] = [];
  let requests = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    let head = '';
    socket.on('data', (bytes) => {
      head += bytes.toString('latin1');
      while (head.includes('\r\n\r\n')) {
        head = head.slice(head.indexOf('\r\n\r\n') + 4);
        answer(socket, ++requests);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const source = await openRegistry(`${host}/some/image:1`, { plainHTTP: true, retries: 0, ...options });
  onTestFinished(async () => {
    await source.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { source, sockets };
}

const images = async (source: ImageSource) => await within(20_000, 'the answer', source.images());

test.each([
  ['of HTTP/1.0, which ends with its connection', `HTTP/1.0 200 OK\r\n\r\n${MANIFEST}`, true],
  ['without a length, which ends with its connection', `${OK}\r\n${MANIFEST}`, true],
  [
    'in chunks, with trailers',
    `${OK}transfer-encoding: chunked\r\n\r\n${MANIFEST.length.toString(16)};x=y\r\n${MANIFEST}\r\n0\r\nx: y\r\n\r\n`,
    false,
  ],
  ['after early hints', `HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n${OK}${LENGTH}\r\n${MANIFEST}`, false],
  [
    'with lines that end by LF alone in its head',
    `HTTP/1.1 200 OK\r\n${LENGTH}x: y\r\n\r\n${MANIFEST}`,
    false,
  ],
])('an answer %s is read', async (_, bytes, ends) => {
  const { source } = await serve((socket) => (ends ? socket.end(bytes) : socket.write(bytes)));
  const [image] = await images(source);
  expect(image?.target.digest).toBe(DIGEST);
});

test.each([
  ['with two lengths', `${OK}${LENGTH}content-length: 5\r\n\r\n${MANIFEST}`, 'does not answer in HTTP'],
  [
    'with a length and chunks',
    `${OK}${LENGTH}transfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    'does not answer in HTTP',
  ],
  ['with a length of 30 digits', `${OK}content-length: ${'9'.repeat(30)}\r\n\r\n`, 'does not answer in HTTP'],
  ['with too many headers', `${OK}${`x: ${'y'.repeat(1000)}\r\n`.repeat(100)}\r\n`, 'too many headers'],
  [
    'of another protocol',
    'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nx',
    'the connection was closed',
  ],
  ['that ends early', `${OK}${LENGTH}\r\n${MANIFEST.slice(0, 10)}`, 'the connection was closed'],
  ['that ends within a chunk', `${OK}transfer-encoding: chunked\r\n\r\nff\r\n{`, 'the connection was closed'],
  ['with a wrong chunk', `${OK}transfer-encoding: chunked\r\n\r\nzz\r\n{`, 'does not answer in HTTP'],
])('an answer %s is refused', async (_, bytes, why) => {
  const { source } = await serve((socket) => socket.end(bytes));
  await expect(images(source)).rejects.toMatchObject({
    ...{ code: 'Unavailable', message: expect.stringContaining(why) },
  });
});

test.each([
  ['informational answers', '', 'HTTP/1.1 102 Processing\r\n\r\n'],
  ['headers', OK, 'x: y\r\n'],
])('%s without end are not waited for', async (_, begin, repeated) => {
  const { source } = await serve(
    (socket) => {
      socket.write(begin);
      const more = setInterval(() => socket.write(repeated), 5);
      socket.once('close', () => clearInterval(more));
    },
    { timeoutMs: 200 },
  );
  await expect(images(source)).rejects.toMatchObject({
    ...{ code: 'Unavailable', message: expect.stringContaining('does not begin within 0.2 s') },
  });
});

test('bytes behind an answer are not the next answer', async () => {
  const { source } = await serve(
    (socket, request) => {
      const wrong = `HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n`;
      socket.write(`${OK}${LENGTH}\r\n${MANIFEST}${request === 1 ? wrong : ''}`);
    },
    { retries: 2 },
  );
  for (let times = 0; times < 3; times++) expect((await images(source))[0]?.target.digest).toBe(DIGEST);
});

test('a server that ends each connection without saying so is asked by another', async () => {
  const { source, sockets } = await serve((socket) => socket.end(`${OK}${LENGTH}\r\n${MANIFEST}`), {
    retries: 2,
  });
  for (let times = 0; times < 3; times++) expect((await images(source))[0]?.target.digest).toBe(DIGEST);
  expect(sockets.length).toBeGreaterThanOrEqual(3);
});

import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import type { ImageSource, RegistryNotice } from '../../../src/index.js';
import { read } from '../../helpers/read-blob.js';
import { ShapedProxy } from '../../helpers/shaped-proxy.js';
import { within } from '../../helpers/within.js';
import { type AnswerChange, type RangeServer, useRangeServers } from './range-server.js';

// A large layer whose ranges are fetched at once. `connections: 4` does not wait until bytes come slowly.

const { start, source } = useRangeServers();

const SEED = Number(process.env['OVERLAYER_FUZZ_SEED'] ?? 1);
const four = { connections: 4 };

async function expectWhole(opened: ImageSource, { blob, bytes: expected }: RangeServer): Promise<void> {
  const { bytes } = await read(opened, blob);
  expect(bytes.equals(expected)).toBe(true);
}

/** The chunks of a blob, as its reader gets them. */
async function chunksOf(opened: ImageSource, { blob }: RangeServer): Promise<AsyncIterator<Uint8Array>> {
  const { bytes } = await opened.open(blob);
  return (bytes as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
}

test('as many ranges as connections are fetched at once, and the blob is whole', async () => {
  const held: (() => void)[] = [];
  const server = await start(({ range, send }) => {
    if (range === undefined) return false;
    held.push(send);
    // Each waits for the others. The first request has the fourth connection.
    if (held.length === 3) for (const answer of held) answer();
    return held.length <= 3;
  });
  await expectWhole(await source(server, four), server);
  expect(server.ranges.length).toBeGreaterThanOrEqual(3);
  expect(server.requests).toHaveLength(server.ranges.length + 1);
});

test('one connection requests no range', async () => {
  const server = await start();
  await expectWhole(await source(server, { connections: 1 }), server);
  expect(server.requests).toHaveLength(1);
});

test('a small blob is requested whole', async () => {
  const server = await start(undefined, 1 << 20);
  await expectWhole(await source(server, four), server);
  expect(server.requests).toHaveLength(1);
});

test('by default, a connection that turns out to be slow is helped by others', async () => {
  const server = await start();
  const proxy = await ShapedProxy.start(server.host, { latencyMs: 20, bytesPerSecond: 6_000_000 });
  try {
    await expectWhole(await source(proxy), server);
  } finally {
    await proxy.close();
  }
  expect(proxy.mostConnections).toBeGreaterThan(2);
});

test('ranges continue where an earlier pull has ended', async () => {
  const server = await start();
  const { bytes } = await read(await source(server, four), server.blob, { offset: 1_000_000 });
  expect(bytes.equals(server.bytes.subarray(1_000_000))).toBe(true);
  expect(server.ranges.length).toBeGreaterThan(2);
});

test('a reader that does not read holds one part more than there are connections', async () => {
  const server = await start(undefined, 24 << 20);
  const chunks = await chunksOf(await source(server, four), server);
  await chunks.next();
  await vi.waitUntil(() => server.ranges.filter(({ response }) => response.writableFinished).length === 5);
  // A sixth would be requested by the end of the fifth.
  expect(server.ranges).toHaveLength(5);
  await chunks.return?.();
});

test('the end of the reading ends all connections', async () => {
  const server = await start(({ send }) => {
    send({ stallAfter: 1000 });
    return true;
  });
  const chunks = await chunksOf(await source(server, four), server);
  await chunks.next();
  await vi.waitUntil(() => server.ranges.length === 3);
  await chunks.return?.();
  await within(20_000, 'the connections', server.deserted());
});

test('a signal ends all connections, and the reading with its reason', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const server = await start(({ send }) => {
    send({ stallAfter: 1000 });
    if (server.ranges.length === 3) controller.abort(reason);
    return true;
  });
  const opened = await source(server, four);
  const { bytes } = await opened.open(server.blob, { signal: controller.signal });
  const reading = async () => {
    for await (const _ of bytes as AsyncIterable<Uint8Array>);
  };
  await expect(reading()).rejects.toBe(reason);
  await within(20_000, 'the connections', server.deserted());
});

test('a first connection that stalls behind the beginning of the ranges is given up for them', async () => {
  const server = await start(({ range, send }) => {
    if (range !== undefined) return false;
    send({ stallAfter: 4 << 20 });
    return true;
  });
  await expectWhole(await source(server, four), server);
  expect(server.requests).toHaveLength(server.ranges.length + 1);
});

test.each<[string, AnswerChange]>([
  ['are refused', { status: 416, range: { start: 0, end: 0 } }],
  [
    'are ignored',
    { status: 200, range: { start: 0, end: 12 << 20 }, headers: { 'content-range': undefined } },
  ],
  ['begin elsewhere', { range: { start: 7, end: 4_000_000 } }],
  ['are of a blob of another size', { headers: { 'content-range': 'bytes 0-1/99999999' } }],
  ['are compressed', { headers: { 'content-encoding': 'gzip' } }],
  [
    'are several in one body',
    { headers: { 'content-type': 'multipart/byteranges; boundary=x', 'content-range': undefined } },
  ],
  ['have another ETag', { headers: { etag: '"other"' } }],
  ['have another digest', { headers: { 'docker-content-digest': `sha256:${'0'.repeat(64)}` } }],
])('ranges that %s: the blob comes by one connection', async (_, change) => {
  const server = await start(({ range, send }) => {
    const headers = { etag: '"one"', 'docker-content-digest': server.blob.digest };
    send(range === undefined ? { headers } : { ...change, headers: { ...headers, ...change.headers } });
    return true;
  });
  await expectWhole(await source(server, four), server);
  expect(server.ranges.length).toBeLessThanOrEqual(4);
  expect(server.requests).toHaveLength(server.ranges.length + 1);
});

test('a server that says it has no ranges is not asked for any', async () => {
  const server = await start(({ send }) => {
    send({ headers: { 'accept-ranges': 'none' } });
    return true;
  });
  await expectWhole(await source(server, four), server);
  expect(server.requests).toHaveLength(1);
});

test('a server that does not say whether it has ranges is asked for one at first', async () => {
  let answerFirst = () => {};
  const server = await start(({ range, before, send }) => {
    const answer = () => send({ headers: { 'accept-ranges': undefined } });
    if (range !== undefined && before === 0) answerFirst = answer;
    else answer();
    return true;
  });
  const chunks = await chunksOf(await source(server, four), server);
  await chunks.next();
  await vi.waitUntil(() => server.ranges.length > 0);
  expect(server.ranges).toHaveLength(1);
  answerFirst();
  await vi.waitUntil(() => server.ranges.length >= 4);
  await chunks.return?.();
});

test('a server without support for ranges with an open end gets none', async () => {
  const server = await start();
  await expectWhole(await source(server, four), server);
  expect(server.ranges.length).toBeGreaterThan(0);
  for (const { headers } of server.ranges) expect(headers.range).toMatch(/^bytes=\d+-\d+$/);
});

test.each<[string, AnswerChange]>([
  ['break off', { breakAfter: 1_500_000 }],
  ['break off at once', { breakAfter: 0 }],
])('ranges that %s are continued', async (_, change) => {
  const server = await start(({ range, before, send }) => {
    if (range === undefined || before > 2) return false;
    send(change);
    return true;
  });
  await expectWhole(await source(server, four), server);
});

test('a range that stops coming is asked for again', async () => {
  const server = await start(({ range, before, send }) => {
    if (range === undefined) send({ stallAfter: 4 << 20 });
    else if (before === 2) send({ stallAfter: 100_000 });
    else return false;
    return true;
  });
  await expectWhole(await source(server, { ...four, timeoutMs: 300 }), server);
  const [stalled] = server.ranges.slice(2, 3);
  expect(server.ranges.some(({ range }) => range!.start === stalled!.range!.start + 100_000)).toBe(true);
});

test('ranges that are shorter than asked for are continued', async () => {
  const server = await start(({ range, send }) => {
    if (range === undefined) return false;
    send({ range: { start: range.start, end: Math.min(range.end, range.start + 1_200_000) } });
    return true;
  });
  await expectWhole(await source(server, four), server);
});

test('ranges that are longer than asked for end where the next one begins', async () => {
  const server = await start(({ range, send }) => {
    if (range === undefined) return false;
    send({ range: { start: range.start, end: server.bytes.length } });
    return true;
  });
  await expectWhole(await source(server, four), server);
});

const serverTime = 'Tue, 01 Jan 2030 00:00:00 GMT';
test.each([
  ['a second', { 'retry-after': '1' }],
  ['a second of its clock', { date: serverTime, 'retry-after': serverTime.replace('00 GMT', '01 GMT') }],
])('a server with too many requests is left in peace for %s, and that is said', async (_, headers) => {
  const notices: RegistryNotice[] = [];
  const server = await start(({ range, before, response, send }) => {
    if (range === undefined) send({ stallAfter: 4 << 20 });
    else if (before < 3) response.writeHead(429, headers).end();
    else return false;
    return true;
  });
  const opened = await source(server, { ...four, onNotice: (notice) => notices.push(notice) });
  await expectWhole(opened, server);
  expect(notices).toHaveLength(1);
  for (const notice of notices)
    expect(notice).toMatchObject({
      type: 'wait',
      delayMs: 1000,
      reason: expect.stringContaining('status 429'),
    });
});

test('a server that stays too busy for ranges sends the blob by the first connection', async () => {
  const server = await start(({ range, response }) => {
    if (range === undefined) return false;
    response.writeHead(429, { 'retry-after': '3600' }).end();
    return true;
  });
  await expectWhole(await source(server, four), server);
  expect(server.requests).toHaveLength(server.ranges.length + 1);
});

/** A registry that redirects to another server, whose URLs are valid for some requests. */
async function startRedirecting(validFor: number) {
  let uses = 0;
  let token = 0;
  const target = await start(({ url, response }) => {
    if (url.endsWith(`?token=${token}`) && uses++ < validFor) return false;
    response.writeHead(403).end('<Error><Code>AccessDenied</Code></Error>');
    return true;
  }, 24 << 20);
  const registry = await start(({ response }) => {
    uses = 0;
    const location = `http://${target.host}/blob?token=${++token}`;
    response.writeHead(307, { location }).end();
    return true;
  }, 24 << 20);
  return { registry, target };
}

test('the target of a redirect is asked directly for ranges', async () => {
  const { registry, target } = await startRedirecting(Infinity);
  await expectWhole(await source(registry, four), registry);
  expect(registry.requests).toHaveLength(1);
  expect(target.ranges.length).toBeGreaterThan(4);
});

test('the registry is asked again when the target of its redirect has expired', async () => {
  // The second connection asks at once, and the target refuses it: how fast the first one is does not matter.
  const { registry, target } = await startRedirecting(1);
  await expectWhole(await source(registry, { connections: 2 }), registry);
  expect(registry.requests.length).toBeGreaterThan(1);
  expect(target.requests.length).toBeGreaterThan(registry.requests.length);
});

test('two blobs of a source share its connections', async () => {
  const server = await start(({ send }) => {
    send({ stallAfter: 1000 });
    return true;
  });
  const opened = await source(server, four);
  const [one, other] = await Promise.all([chunksOf(opened, server), chunksOf(opened, server)]);
  await Promise.all([one.next(), other.next()]);
  await vi.waitUntil(() => server.ranges.length >= 2);
  // The first blob gives back its connections, and the second takes them.
  expect(server.ranges).toHaveLength(2);
  await one.return?.();
  await vi.waitUntil(() => server.ranges.filter(({ response }) => !response.destroyed).length === 3);
  await other.return?.();
});

test('a blob has a connection in any case: others that are not read take none from it', async () => {
  const server = await start(undefined, 24 << 20);
  const opened = await source(server, { connections: 2 });
  const chunks = await chunksOf(opened, server);
  let length = 0;
  const read = async () => {
    const { value = [] } = await chunks.next();
    length += value.length;
    return value.length > 0;
  };
  // From here on the blob is read by ranges alone.
  while (server.ranges.length < 2) await read();
  const others = await Promise.all([1, 2, 3].map(() => opened.open(server.blob)));
  while (await read());
  expect(length).toBe(server.blob.size);
  expect(others).toHaveLength(3);
});

const changes = fc.oneof(
  { weight: 6, arbitrary: fc.constant({}) },
  fc.record({ breakAfter: fc.integer({ min: 0, max: 3 << 20 }) }),
  fc.record({ shorterBy: fc.integer({ min: 1, max: 3 << 20 }) }),
  fc.record({ status: fc.constantFrom(416, 429, 500, 403) }),
  fc.record({ isIgnored: fc.constant(true) }),
);

test('bytes are those of the blob, whatever servers do with ranges', async () => {
  const sizes = fc.integer({ min: 0, max: 16 << 20 });
  await fc.assert(
    fc.asyncProperty(
      sizes,
      fc.integer({ min: 1, max: 6 }),
      fc.array(changes),
      async (size, connections, plan) => {
        const server = await start(({ range, before, response, send }) => {
          const { breakAfter, shorterBy, status, isIgnored } = { ...plan[before] } as Record<string, number>;
          if (range === undefined) return false;
          if (status !== undefined) response.writeHead(status).end();
          else if (breakAfter !== undefined) send({ breakAfter });
          else if (isIgnored)
            send({ status: 200, range: { start: 0, end: size }, headers: { 'content-range': undefined } });
          else if (shorterBy !== undefined)
            send({ range: { start: range.start, end: Math.max(range.start + 1, range.end - shorterBy) } });
          else return false;
          return true;
        }, size);
        await expectWhole(await source(server, { connections, retries: 10 }), server);
      },
    ),
    { numRuns: 12, seed: SEED },
  );
});

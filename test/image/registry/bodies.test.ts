import { describe, expect, test } from 'vitest';
import { type ImageSource, openRegistry } from '../../../src/index.js';
import { read } from '../../helpers/read-blob.js';
import { type Exchange, send } from '../../helpers/registry-proxy.js';
import { within } from '../../helpers/within.js';
import { refuse, useSampleRegistry } from './sample-registry.js';

// More than the sockets of both sides hold.
const sample = useSampleRegistry(12 << 20);

/** As the server behind would, but the connection ends after so many bytes of the body. */
async function breakOff({ ask, response }: Exchange, bytes: number): Promise<true> {
  const { status, headers, body } = await ask();
  response.writeHead(status, headers);
  response.write(body.subarray(0, bytes), () => response.destroy());
  return true;
}

async function expectWhole(source: ImageSource): Promise<void> {
  const { bytes } = await read(source, sample.image.layer);
  expect(bytes.equals(sample.image.bytes(sample.image.layer))).toBe(true);
}

describe('a body that breaks off', () => {
  test('goes on where it was, several times', async () => {
    const { source, proxy } = await sample.through('blobs', (exchange) =>
      exchange.before < 2 ? breakOff(exchange, 100_000) : false,
    );
    await expectWhole(source);
    const ranges = proxy.requests
      .filter(({ url }) => url.includes('blobs'))
      .map(({ headers }) => headers.range);
    expect(ranges).toEqual([
      undefined,
      expect.stringMatching(/^bytes=\d+-12\d+$/),
      expect.stringMatching(/^bytes=\d+-12\d+$/),
    ]);
  });

  test('at its end, as if it were whole', async () => {
    const { source } = await sample.through('blobs', async ({ before, ask, response }) => {
      if (before > 0) return false;
      const { status, headers, body } = await ask();
      const half = body.subarray(0, body.length / 2);
      send(response, { status, headers: { ...headers, 'content-length': String(half.length) }, body: half });
      return true;
    });
    await expectWhole(source);
  });

  test('and nobody has read it yet: what came before is not asked for again', async () => {
    const { source, proxy } = await sample.through('blobs', (exchange) =>
      exchange.before < 1 ? breakOff(exchange, 100_000) : false,
    );
    const { bytes } = await source.open(sample.image.layer);
    await within(20_000, 'the connection', proxy.deserted());
    const chunks: Uint8Array[] = [];
    for await (const chunk of bytes as AsyncIterable<Uint8Array>) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(sample.image.bytes(sample.image.layer))).toBe(true);
    expect(proxy.requests.at(-1)?.headers.range).toBe(`bytes=100000-${sample.image.layer.size - 1}`);
  });

  test('and a server without ranges: what is known is passed over', async () => {
    const { source } = await sample.through('blobs', (exchange) => {
      delete exchange.request.headers.range;
      return exchange.before < 1 ? breakOff(exchange, 3_000_000) : false;
    });
    await expectWhole(source);
  });

  test('and a server that gives less than it was asked for, and says so: it is asked for the next part', async () => {
    const { source, proxy } = await sample.through(
      'blobs',
      (exchange) => {
        const { range } = exchange.request.headers;
        if (range === undefined) return breakOff(exchange, 1000);
        const start = Number(/\d+/.exec(range));
        exchange.request.headers.range = `bytes=${start}-${start + (4 << 20) - 1}`;
        return false;
      },
      { retries: 1 },
    );
    await expectWhole(source);
    expect(proxy.requests.filter(({ headers }) => headers.range !== undefined)).toHaveLength(4);
  });

  test.each([
    ['begins earlier', (range: string) => [range.replace(/\d+/, '7')], true],
    ['begins later', (range: string) => [range.replace(/\d+/, '5000000')], false],
    ['is of another length than it says', (range: string) => [range, 'bytes 100-200/12584894'], false],
    ['is of a longer blob', (range: string) => [range, 'bytes 100000-12584893/99999999'], false],
    ['is not said', (range: string) => [range, ''], false],
  ])('and a server whose answer %s', async (_, alter, isTaken) => {
    const { source, proxy } = await sample.through('blobs', async (exchange) => {
      const { range } = exchange.request.headers;
      if (exchange.before < 1) return breakOff(exchange, 100_000);
      if (range === undefined) return false;
      const [asked, said] = alter(range);
      exchange.request.headers.range = asked;
      const answer = await exchange.ask();
      if (said !== undefined) answer.headers['content-range'] = said;
      send(exchange.response, answer);
      return true;
    });
    await expectWhole(source);
    expect(proxy.requests).toHaveLength(isTaken ? 2 : 3);
  });

  test('each time: it is given up', async () => {
    const { source, proxy } = await sample.through('blobs', (exchange) => breakOff(exchange, 1000));
    await expect(read(source, sample.image.layer)).rejects.toMatchObject({
      code: 'Unavailable',
      message: expect.stringContaining(proxy.host),
    });
    expect(proxy.requests).toHaveLength(3);
  });

  test('and no more comes, without an end: it is asked for again', async () => {
    const stall = async ({ ask, response }: Exchange): Promise<true> => {
      const { status, headers, body } = await ask();
      response.writeHead(status, headers).write(body.subarray(0, 1000));
      return true;
    };
    const { source } = await sample.through('blobs', (exchange) => exchange.before < 1 && stall(exchange), {
      timeoutMs: 1000,
      retries: 10,
    });
    await expectWhole(source);
  });

  test('because the registry was killed: it goes on when that is back', async () => {
    await using source = await openRegistry(`${sample.registry.host}/some/image:1`, { retries: 30 });
    const { bytes } = await source.open(sample.image.layer);
    const chunks: Uint8Array[] = [];
    let restarted: Promise<void> | undefined;
    for await (const chunk of bytes as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      if (restarted !== undefined) continue;
      await sample.registry.kill();
      restarted = sample.registry.restart();
    }
    await restarted;
    expect(Buffer.concat(chunks).equals(sample.image.bytes(sample.image.layer))).toBe(true);
  });
});

describe('a range', () => {
  test.each([416, 200])('without an end is answered %i by some: the range has an end', async (status) => {
    const { source } = await sample.through('blobs', (exchange) => {
      const isOpen = exchange.request.headers.range?.endsWith('-') ?? false;
      if (isOpen && status === 200) delete exchange.request.headers.range;
      return isOpen && status === 416 && refuse(416)(exchange);
    });
    expect((await read(source, sample.image.layer, { offset: 1000 })).offset).toBe(1000);
  });

  test('that is refused: the blob begins at its beginning', async () => {
    const { source } = await sample.through(
      'blobs',
      (exchange) => exchange.request.headers.range !== undefined && refuse(416)(exchange),
    );
    const { offset, bytes } = await read(source, sample.image.layer, { offset: 1000 });
    expect(offset).toBe(0);
    expect(bytes.equals(sample.image.bytes(sample.image.layer))).toBe(true);
  });

  test('that is passed over: the blob begins at its beginning', async () => {
    const { source } = await sample.through('blobs', ({ request }) => {
      delete request.headers.range;
      return false;
    });
    expect((await read(source, sample.image.layer, { offset: 1000 })).offset).toBe(0);
  });
});

describe('more bytes than the descriptor says', () => {
  const more = { code: 'DataLoss', message: expect.stringContaining(`more than the`) };

  test('announced', async () => {
    const { source } = await sample.through('blobs', () => false);
    const short = { ...sample.image.layer, size: 1000 };
    await expect(read(source, short)).rejects.toMatchObject(more);
  });

  test('by one, in the last chunk', async () => {
    const { source } = await sample.through('blobs', async ({ ask, response }) => {
      const { status, body } = await ask();
      response.writeHead(status).end(Buffer.concat([body, Buffer.from('x')]));
      return true;
    });
    await expect(read(source, sample.image.layer)).rejects.toMatchObject(more);
  });

  test('without end: cut off, and the connection with it', async () => {
    const { source, proxy } = await sample.through('blobs', ({ response }) => {
      response.writeHead(200);
      const pour = () => {
        while (response.write(Buffer.alloc(65_536)));
      };
      response.on('drain', pour);
      pour();
      return true;
    });
    await expect(read(source, { ...sample.image.config, size: 1000 })).rejects.toMatchObject(more);
    await within(20_000, 'the connection', proxy.deserted());
  });
});

test('a body that is let go, read or not, lets its connection go', async () => {
  const { source, proxy } = await sample.through('blobs', () => false);
  const { bytes: unread } = await source.open(sample.image.layer);
  (unread as unknown as { destroy(): void }).destroy();
  const { bytes } = await source.open(sample.image.layer);
  for await (const _ of bytes as AsyncIterable<Uint8Array>) break;
  await within(20_000, 'the connections', proxy.deserted());
});

test('a body ends by a signal, and its connection with it', async () => {
  const reason = new Error('enough');
  const controller = new AbortController();
  const { source, proxy } = await sample.through('blobs', () => false);
  const { bytes } = await source.open(sample.image.layer, { signal: controller.signal });
  const reading = async () => {
    for await (const chunk of bytes as AsyncIterable<Uint8Array>)
      if (chunk.length > 0) controller.abort(reason);
  };
  await expect(reading()).rejects.toBe(reason);
  await within(20_000, 'the connection', proxy.deserted());
});

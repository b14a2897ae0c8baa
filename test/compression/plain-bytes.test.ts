import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { compress as zstdSync } from 'zstd-napi';
import type { ByteSource } from '../../src/base/byte-source.js';
import { plainBytes } from '../../src/compression/plain-bytes.js';
import { cut } from '../helpers/decompress.js';

const PLAIN = Buffer.concat([randomBytes(300_000), Buffer.alloc(3_000_000, 'abc')]);
const FORMS: Readonly<Record<string, Buffer>> = {
  plain: PLAIN,
  gzip: gzipSync(PLAIN),
  'gzip in several members': Buffer.concat([
    gzipSync(PLAIN.subarray(0, 1000)),
    gzipSync(PLAIN.subarray(1000)),
  ]),
  zstd: zstdSync(PLAIN),
  'zstd in several frames': Buffer.concat([
    zstdSync(PLAIN.subarray(0, 1000)),
    zstdSync(PLAIN.subarray(1000)),
  ]),
};

describe.each(Object.entries(FORMS))('%s', (name, bytes) => {
  test.each([100, 4097, 10_000_000])('in pieces of %i bytes', async (size) => {
    expect((await buffer(plainBytes(cut(bytes, size)))).equals(PLAIN)).toBe(true);
  });

  test('cut off', async () => {
    const cutOff = buffer(plainBytes(bytes.subarray(0, bytes.length - 5)));
    if (name === 'plain') expect(await cutOff).toHaveLength(PLAIN.length - 5);
    else await expect(cutOff).rejects.toMatchObject({ code: 'DataLoss' });
  });

  test('whoever stops listening lets the source go', async () => {
    const source = Readable.from(cut(bytes, 10_000));
    for await (const chunk of plainBytes(source)) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    expect(source.destroyed).toBe(true);
  });
});

test('nothing is nothing', async () => {
  expect(await buffer(plainBytes([]))).toHaveLength(0);
});

test('a limit that no option raises is not said to be raised', async () => {
  const window = Buffer.from('28b52ffd00a0010000', 'hex'); // of 1 GiB
  await expect(buffer(plainBytes(window))).rejects.toMatchObject({
    code: 'ResourceExhausted',
    hint: expect.stringContaining('decompress it'),
  });
});

test('text is no bytes', async () => {
  const text = ['text'] as unknown as ByteSource;
  await expect(buffer(plainBytes(text))).rejects.toMatchObject({ code: 'InvalidArgument' });
});

test('the signal is heard while the source is silent', async () => {
  const source = new Readable({ read() {} });
  const reading = buffer(plainBytes(source, { signal: AbortSignal.abort('enough') }));
  await expect(reading).rejects.toBe('enough');
  expect(source.destroyed).toBe(true);
});

import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect } from 'vitest';
import { compress as zstdSync } from 'zstd-napi';
import type { LayerSource } from '../../src/index.js';
import { test } from '../helpers/sandbox.js';
import { file, tar } from '../helpers/tar-builder.js';

// CVE-2021-20291: an invalid layer made the image store wait for ever for a decompressor that nobody read.
// Every test here has a short time to live: none may hang, whatever is broken.
const noHang = { timeout: 20_000 };

const content = randomBytes(3 * 1024 ** 2);
const archive = tar(file('a', 'first'), file('random', content));
const compressed = {
  gzip: gzipSync(archive, { level: 1 }),
  zstd: zstdSync(archive, { compressionLevel: 1, checksumFlag: true }),
};

/** Bytes in small pieces, as from a network, and perhaps an end that is no good. */
async function* trickle(bytes: Uint8Array, failure?: Error) {
  for (let at = 0; at < bytes.length; at += 65536) yield bytes.subarray(at, at + 65536);
  if (failure !== undefined) throw failure;
}

const sources: Record<string, (bytes: Uint8Array) => LayerSource> = {
  buffer: (bytes) => bytes,
  stream: (bytes) => trickle(bytes),
};

for (const [how, source] of Object.entries(sources))
  for (const [format, whole] of Object.entries(compressed))
    describe(`CVE-2021-20291: ${format} from a ${how}`, noHang, () => {
      for (const length of [1, 2, 5, 17, 1000, 70_000, whole.length >> 1, whole.length - 9, whole.length - 1])
        test(`cut off after ${length} of its bytes`, async ({ box }) => {
          const error = await box.failure(source(whole.subarray(0, length)));
          // A byte or two could be the beginning of anything.
          expect(length < 5 ? ['InvalidArgument', 'DataLoss'] : ['DataLoss']).toContain(error.code);
        });

      test('bits turned over in the middle', async ({ box }) => {
        const damaged = Buffer.from(whole);
        damaged.fill(0xff, damaged.length >> 1, (damaged.length >> 1) + 64);
        expect((await box.failure(source(damaged))).code).toBe('DataLoss');
      });

      test('a wrong checksum at the end', async ({ box }) => {
        const damaged = Buffer.from(whole);
        const at = format === 'gzip' ? damaged.length - 8 : damaged.length - 4;
        damaged[at]! ^= 1;
        expect((await box.failure(source(damaged))).code).toBe('DataLoss');
      });

      test('a good stream that holds no archive', async ({ box }) => {
        const compress = format === 'gzip' ? gzipSync : zstdSync;
        expect((await box.failure(source(compress(content)))).code).toBe('InvalidArgument');
      });

      test('an error at the beginning of much data', async ({ box }) => {
        const compress = format === 'gzip' ? gzipSync : zstdSync;
        const broken = Buffer.concat([file('a'), Buffer.alloc(512, 'x'), Buffer.alloc(64 * 1024 ** 2)]);
        expect((await box.failure(source(compress(broken)))).code).toBe('InvalidArgument');
      });
    });

describe('a source that fails', noHang, () => {
  test('its error is the cause', async ({ box }) => {
    const reset = Object.assign(new Error('connection reset'), { code: 'ECONNRESET' });
    const work = box.unpack(trickle(compressed.gzip.subarray(0, 200_000), reset));
    await expect(work).rejects.toSatisfy((error: Error) => error === reset || error.cause === reset);
    expect(box.exists()).toBe(false);
  });

  test('a source that stays silent ends with the signal', async ({ box }) => {
    const controller = new AbortController();
    async function* silent() {
      yield compressed.zstd.subarray(0, 200_000);
      controller.abort();
      await new Promise(() => {});
    }
    const work = box.unpack(silent(), { signal: controller.signal });
    await expect(work).rejects.toMatchObject({ name: 'AbortError' });
    expect(box.exists()).toBe(false);
  });
});

describe('formats that are not read', noHang, () => {
  const foreign = {
    xz: 'fd377a585a0000',
    bzip2: '425a68393141592653',
    lz4: '04224d18',
    zip: '504b0304',
  };
  for (const [format, magic] of Object.entries(foreign))
    test(`${format} is named`, async ({ box }) => {
      const error = await box.failure(Buffer.concat([Buffer.from(magic, 'hex'), randomBytes(4096)]));
      expect(error.code).toBe('Unimplemented');
      expect(error.message).toContain(format);
    });

  for (const [what, bytes] of Object.entries({
    text: Buffer.from('{"schemaVersion":2}'.repeat(100)),
    'an ELF file': Buffer.concat([Buffer.from('7f454c46', 'hex'), randomBytes(4096)]),
  }))
    test(`${what} is no layer`, async ({ box }) => {
      expect((await box.failure(bytes)).code).toBe('InvalidArgument');
    });
});

describe('digests', noHang, () => {
  const wrong = `sha256:${'0'.repeat(64)}` as const;
  for (const option of ['digest', 'diffID'] as const)
    test(`a wrong ${option}: what was written goes`, async ({ box }) => {
      const error = await box.failure(compressed.gzip, { [option]: wrong });
      expect(error).toMatchObject({ code: 'DataLoss', expected: wrong });
      expect(error.actual).toMatch(/^sha256:[0-9a-f]{64}$/);
    });
});

import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { openCrc32 } from '../../src/compression/crc32.js';
import { openDecompressor } from '../../src/compression/open-decompressor.js';
import { openSha256, updateBoth } from '../../src/system/sha256.js';

const BYTES = Buffer.alloc(64 * 1024, 'layer');
const RUNS = 200;

/** ISA-L and sha256 use the same registers of a core. */
const ISAL = {
  'a checksum': async () => {
    const crc32 = openCrc32();
    return () => void crc32(0, BYTES, 0, BYTES.length);
  },
  inflating: async () => {
    const output = {
      bytes: Buffer.alloc(1024 * 1024),
      writeIndex: 0,
      waitRoom: () => 1024 * 1024,
      publish() {},
    };
    const gzip = await openDecompressor('gzip', output, { gzip: undefined, maxWindow: 0 });
    const stream = gzipSync(BYTES);
    return () => gzip.write(stream, 0, stream.length);
  },
};

/** Nanoseconds of the fastest hash of two streams. Slower ones were interrupted. */
function fastestHash(before: () => void): number {
  const [sha256, other] = [openSha256(), openSha256()];
  const half = BYTES.length / 2;
  const times = Array.from({ length: RUNS }, () => {
    before();
    const start = process.hrtime.bigint();
    updateBoth({ sha256, bytes: BYTES, start: 0 }, { sha256: other, bytes: BYTES, start: half }, half);
    return Number(process.hrtime.bigint() - start);
  });
  return Math.min(...times);
}

// 2.3 times as long where ISA-L leaves the registers in use.
test.each(Object.entries(ISAL))('%s leaves the thread as fast at hashing as it was', async (_, open) => {
  const work = await open();
  const alone = fastestHash(() => {});
  expect(fastestHash(work)).toBeLessThan(1.5 * alone);
});

import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openCrc32 } from '../../src/compression/crc32.js';

test("is zlib's, of any piece and in any pieces", () => {
  const own = openCrc32();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 4096 }), fc.nat(4096), fc.nat(4096), (bytes, a, b) => {
      const [start, end] = [Math.min(a, b, bytes.length), Math.min(Math.max(a, b), bytes.length)];
      const whole = crc32(bytes.subarray(start));
      expect(own(own(0, bytes, start, end), bytes, end, bytes.length)).toBe(whole);
    }),
  );
});

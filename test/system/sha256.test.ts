import { createHash, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { attachSha256, openSha256, SHA256_STATE_BYTES, updateBoth } from '../../src/system/sha256.js';

const BYTES = randomBytes(64 * 1024);

const hexOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** A part of the bytes, and how many of them are hashed before and with the other stream. */
const STREAM = fc.record({ start: fc.nat(1000), blocks: fc.nat(20), length: fc.nat(40_000) });

test('two streams that are hashed at once have the digests that they have alone', () => {
  fc.assert(
    fc.property(STREAM, STREAM, fc.nat(300), (a, b, pairs) => {
      const streams = [a, b].map(({ start, blocks, length }) => {
        const sha256 = openSha256();
        sha256.update(BYTES, start, start + blocks * 64);
        return { sha256, from: start, at: start + blocks * 64, length };
      });
      const [one, other] = streams.map(({ sha256, at }) => ({ sha256, bytes: BYTES, start: at }));
      if (updateBoth(one!, other!, pairs * 64)) for (const stream of streams) stream.at += pairs * 64;
      for (const { sha256, from, at, length } of streams) {
        sha256.update(BYTES, at, at + length);
        expect(sha256.hex()).toBe(hexOf(BYTES.subarray(from, at + length)));
      }
    }),
  );
});

test('a hash goes on from its state', () => {
  const state = new Uint8Array(SHA256_STATE_BYTES);
  openSha256(state).update(BYTES, 0, 1001);
  const next = attachSha256(state);
  next.update(BYTES, 1001, 5000);
  expect(next.hex()).toBe(hexOf(BYTES.subarray(0, 5000)));
});

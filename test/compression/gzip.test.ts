import { randomBytes } from 'node:crypto';
import { constants, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GZIP_DECODERS } from '../../src/compression/open-decompressor.js';
import { cut, decompress, summary } from '../helpers/decompress.js';
import { gzipMember } from '../helpers/gzip-member.js';

// A decoder that waits for bytes that never come is a defect like any other.
const noHang = { timeout: 15_000 };

const text = Buffer.from('layers are tar archives, most of them compressed. '.repeat(80));
const noise = randomBytes(5000);

const streams: Record<string, { compressed: Buffer; plain: Buffer }> = {
  'one member': { compressed: gzipSync(text), plain: text },
  'an empty member': { compressed: gzipSync(''), plain: Buffer.alloc(0) },
  'stored blocks': { compressed: gzipSync(noise, { level: 0 }), plain: noise },
  'fixed codes': { compressed: gzipSync(text, { strategy: constants.Z_FIXED }), plain: text },
  'several members': {
    compressed: Buffer.concat([text, noise, text].map((part) => gzipSync(part))),
    plain: Buffer.concat([text, noise, text]),
  },
  'empty members between others': {
    compressed: Buffer.concat([gzipSync(''), gzipSync(text), gzipSync(''), gzipSync(noise), gzipSync('')]),
    plain: Buffer.concat([text, noise]),
  },
  'name, comment, extra field and header checksum': {
    compressed: Buffer.concat([gzipMember(text), gzipMember(noise)]),
    plain: Buffer.concat([text, noise]),
  },
  'much out of little': { compressed: gzipSync(Buffer.alloc(300_000)), plain: Buffer.alloc(300_000) },
};

describe.each(GZIP_DECODERS)('%s', noHang, (decoder) => {
  describe.each(Object.entries(streams))('%s', (_name, { compressed, plain }) => {
    const whole = { plain: summary(plain), dataAfterStream: false };

    test.each([1 << 20, 7, 1])('in pieces of %i bytes', async (size) => {
      expect(await decompress('gzip', cut(compressed, size), decoder)).toEqual(whole);
    });

    test('split anywhere', async () => {
      const places = fc.uniqueArray(fc.integer({ min: 0, max: compressed.length }), { maxLength: 6 });
      await fc.assert(
        fc.asyncProperty(places, async (at) => {
          const edges = [0, ...at.sort((a, b) => a - b), compressed.length];
          const pieces = edges.slice(1).map((edge, index) => compressed.subarray(edges[index], edge));
          expect(await decompress('gzip', pieces, decoder)).toEqual(whole);
        }),
        { numRuns: 25 },
      );
    });
  });

  test('the seam between members at every place of a piece', async () => {
    const members = [gzipSync('first'), gzipSync('second')];
    const stream = Buffer.concat(members);
    for (let at = 0; at <= stream.length; at++) {
      const pieces = [stream.subarray(0, at), stream.subarray(at)];
      const outcome = await decompress('gzip', pieces, decoder);
      expect(outcome, `split at ${at}`).toEqual({
        plain: summary(Buffer.from('firstsecond')),
        dataAfterStream: false,
      });
    }
  });

  test('cut off anywhere', async () => {
    const stream = streams['several members']!.compressed;
    const first = gzipSync(text).length;
    const ends = new Set([first, first + gzipSync(noise).length]);
    for (let length = 0; length < stream.length; length += length < 40 ? 1 : 97) {
      if (ends.has(length)) continue;
      expect(
        await decompress('gzip', cut(stream.subarray(0, length), 1000), decoder),
        `${length} bytes`,
      ).toEqual({
        code: 'DataLoss',
      });
    }
  });

  test('every byte of the trailer counts', async () => {
    const stream = Buffer.concat([gzipSync(text), gzipSync(noise)]);
    const first = gzipSync(text).length;
    for (let back = 1; back <= 8; back++)
      for (const end of [first, stream.length]) {
        const damaged = Buffer.from(stream);
        damaged[end - back]! ^= 0x10;
        const outcome = await decompress('gzip', [damaged], decoder);
        expect(outcome, `byte ${back} from the end of a member`).toEqual({ code: 'DataLoss' });
      }
  });

  test('a wrong method, reserved flags, an invalid block', async () => {
    const member = gzipSync(text);
    for (const [at, value] of [
      [2, 7],
      [10, 0x07],
    ] as const) {
      const damaged = Buffer.from(member);
      damaged[at] = value;
      expect(await decompress('gzip', [damaged], decoder), `byte ${at}`).toEqual({ code: 'DataLoss' });
    }
  });

  test('bits turned over anywhere: an error, never other bytes', async () => {
    const plain = noise.subarray(0, 200);
    const member = gzipSync(plain);
    const places = fc.integer({ min: 10, max: member.length - 1 });
    await fc.assert(
      fc.asyncProperty(places, fc.nat({ max: 7 }), async (at, bit) => {
        const damaged = Buffer.from(member);
        damaged[at]! ^= 1 << bit;
        const outcome = await decompress('gzip', [damaged], decoder);
        // A few bits mean nothing, such as those that fill up a byte before a stored block.
        if ('plain' in outcome) expect(outcome.plain).toBe(summary(plain));
        else expect(outcome).toEqual({ code: 'DataLoss' });
      }),
      { numRuns: 150 },
    );
  });
});

/** What follows the last member: `gzip -t` passes over zeros up to the end, and Go's readers over nothing. */
const afterwards: Record<string, readonly [bytes: Buffer, accepted: boolean]> = {
  zeros: [Buffer.alloc(1024), true],
  'a single zero': [Buffer.alloc(1), true],
  'many zeros': [Buffer.alloc(3_000_000), true],
  'zeros, then text': [Buffer.from('\0\0text'), false],
  'zeros, then a member': [Buffer.concat([Buffer.alloc(9), gzipSync(text)]), false],
  text: [Buffer.from('trailing garbage'), false],
  'much text': [Buffer.alloc(3_000_000, 'x'), false],
  'a single byte': [Buffer.from('x'), false],
  'the first byte of a member': [Buffer.from('1f', 'hex'), false],
  'a frame of zstd': [Buffer.from('28b52ffd', 'hex'), false],
};

describe('bytes after the last member', noHang, () => {
  for (const [what, [after, accepted]] of Object.entries(afterwards))
    test.each(GZIP_DECODERS)(`${what}, with %s`, async (decoder) => {
      const member = gzipSync(text);
      const expected = accepted ? { plain: summary(text), dataAfterStream: true } : { code: 'DataLoss' };
      // In the same piece as the member's end, and in pieces of their own.
      for (const pieces of [cut(Buffer.concat([member, after]), 1 << 20), [member, ...cut(after, 1 << 20)]])
        expect(await decompress('gzip', pieces, decoder)).toEqual(expected);
    });

  test.each(GZIP_DECODERS)('%s refuses what looks like a member and is none', async (decoder) => {
    for (const after of ['1f', '1f8b', '1f8bffff', '1f8b0800'])
      expect(
        await decompress('gzip', [Buffer.concat([gzipSync(text), Buffer.from(after, 'hex')])], decoder),
        after,
      ).toEqual({ code: 'DataLoss' });
  });
});

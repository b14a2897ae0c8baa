import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { compress } from 'zstd-napi';
import { planLayer } from '../../src/index.js';
import { cut, decompress, summary } from '../helpers/decompress.js';
import { failureOf } from '../helpers/sandbox.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const noHang = { timeout: 15_000 };

const text = Buffer.from('layers are tar archives, most of them compressed. '.repeat(80));
const noise = randomBytes(5000);

/** RFC 8878, 3.1.2: passed over by every reader; estargz and others keep their tables in one. */
function skippable(size: number, kind = 0): Buffer {
  const frame = Buffer.alloc(8 + size, 0x77);
  frame.writeUInt32LE(0x184d2a50 + kind, 0);
  frame.writeUInt32LE(size, 4);
  return frame;
}

function zstd(input: Uint8Array, ...options: readonly string[]): Buffer {
  const { stdout, status, stderr } = spawnSync('zstd', ['--stdout', '--quiet', ...options], {
    input,
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`zstd: ${stderr}`);
  return stdout;
}

const frame = compress(text, { checksumFlag: true });

const streams: Record<string, { compressed: Buffer; plain: Buffer }> = {
  'one frame': { compressed: frame, plain: text },
  'an empty frame': { compressed: compress(Buffer.alloc(0)), plain: Buffer.alloc(0) },
  'several frames': {
    compressed: Buffer.concat([frame, compress(noise), frame]),
    plain: Buffer.concat([text, noise, text]),
  },
  'skippable frames before, between and after': {
    compressed: Buffer.concat([
      skippable(10),
      skippable(0, 15),
      frame,
      skippable(3000, 7),
      compress(noise),
      skippable(5),
    ]),
    plain: Buffer.concat([text, noise]),
  },
  'a skippable frame only': { compressed: skippable(100), plain: Buffer.alloc(0) },
  'much out of little': { compressed: compress(Buffer.alloc(300_000)), plain: Buffer.alloc(300_000) },
  'without size and checksum, by zstd(1)': {
    compressed: zstd(noise, '--no-check', '--no-content-size'),
    plain: noise,
  },
};

describe.each(Object.entries(streams))('%s', noHang, (_name, { compressed, plain }) => {
  const whole = { plain: summary(plain), dataAfterStream: false };

  test.each([1 << 20, 7, 1])('in pieces of %i bytes', async (size) => {
    expect(await decompress('zstd', cut(compressed, size))).toEqual(whole);
  });

  test('split anywhere', async () => {
    const places = fc.uniqueArray(fc.integer({ min: 0, max: compressed.length }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(places, async (at) => {
        const edges = [0, ...at.sort((a, b) => a - b), compressed.length];
        const pieces = edges.slice(1).map((edge, index) => compressed.subarray(edges[index], edge));
        expect(await decompress('zstd', pieces)).toEqual(whole);
      }),
      { numRuns: 30 },
    );
  });
});

describe('damage', noHang, () => {
  test('cut off anywhere', async () => {
    const stream = Buffer.concat([frame, skippable(50), compress(noise)]);
    const ends = [frame.length, frame.length + 58];
    for (let length = 0; length < stream.length; length += length < 60 ? 1 : 97) {
      if (ends.includes(length)) continue;
      const outcome = await decompress('zstd', cut(stream.subarray(0, length), 1000));
      expect(outcome, `${length} bytes`).toEqual({ code: 'DataLoss' });
    }
  });

  test('a wrong checksum', async () => {
    for (let back = 1; back <= 4; back++) {
      const damaged = Buffer.from(frame);
      damaged[damaged.length - back]! ^= 1;
      expect(await decompress('zstd', [damaged])).toEqual({ code: 'DataLoss' });
    }
  });

  test('bits turned over anywhere: an error, never other bytes', async () => {
    const checked = compress(noise.subarray(0, 300), { checksumFlag: true });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 4, max: checked.length - 1 }),
        fc.nat({ max: 7 }),
        async (at, bit) => {
          const damaged = Buffer.from(checked);
          damaged[at]! ^= 1 << bit;
          const outcome = await decompress('zstd', [damaged]);
          if ('plain' in outcome) expect(outcome.plain).toBe(summary(noise.subarray(0, 300)));
          // One bit tells of a dictionary, and some of a larger window.
          else expect(['DataLoss', 'ResourceExhausted', 'Unimplemented']).toContain(outcome.code);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('bytes after the last frame', noHang, () => {
  test.each([
    ['text', Buffer.from('trailing garbage')],
    ['a byte', Buffer.from('x')],
    ['zeros', Buffer.alloc(5000)],
    ['much', Buffer.alloc(900_000, 'x')],
    ['gzip', Buffer.from('1f8b08000000', 'hex')],
  ])('%s: damage', async (_what, after) => {
    for (const pieces of [
      [Buffer.concat([frame, after])],
      [frame, after],
      cut(Buffer.concat([frame, after]), 3000),
    ])
      expect(await decompress('zstd', pieces)).toEqual({ code: 'DataLoss' });
  });
});

test('a size of the content that is not its size', async () => {
  // A single segment of 5 bytes, by its header; the only block is the last, and empty.
  const empty = Buffer.from('28b52ffd2005010000', 'hex');
  expect(await decompress('zstd', [empty])).toEqual({ code: 'DataLoss' });
});

test('with a dictionary', async () => {
  const directory = makeWorkDirectory();
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const samples = Array.from({ length: 300 }, (_, index) => join(directory, String(index)));
  for (const [index, path] of samples.entries()) writeFileSync(path, `${index} ${text} ${index * index}`);
  const dictionary = join(directory, 'dictionary');
  execFileSync('zstd', ['-q', '--train', ...samples, '-o', dictionary, '--maxdict=4096']);
  expect(await decompress('zstd', [zstd(text, '-D', dictionary)])).toEqual({ code: 'Unimplemented' });
});

describe('windows', { timeout: 60_000 }, () => {
  const large = Buffer.concat([noise, Buffer.alloc(3 << 20, 'layer'), noise]);

  test.each([10, 17, 23, 27, 28])('2^%i bytes', async (log) => {
    const compressed = zstd(large, '--ultra', `--long=${log}`, '--no-content-size');
    const outcome = await decompress('zstd', cut(compressed, 1 << 20));
    expect(outcome).toEqual({ plain: summary(large), dataAfterStream: false });
  });

  // From a pipe zstd can't know how little comes, so that it announces the whole window.
  const wide = (log: number) => cut(zstd(large, '--ultra', `--long=${log}`, '--no-content-size'), 1 << 20);

  test.each([29, 31])('2^%i bytes are more memory than is allowed', async (log) => {
    expect(await decompress('zstd', wide(log))).toEqual({ code: 'ResourceExhausted' });
  });

  test('a limit allows more, or less', async () => {
    const whole = { plain: summary(large), dataAfterStream: false };
    expect(await decompress('zstd', wide(29), undefined, 2 ** 29)).toEqual(whole);
    expect(await decompress('zstd', wide(27), undefined, 2 ** 26)).toEqual({ code: 'ResourceExhausted' });
  });

  test('the error names the window and the limit', async () => {
    const plan = planLayer(Readable.from(wide(30)));
    const error = await failureOf(plan[Symbol.asyncIterator]().next());
    expect(error).toMatchObject({ code: 'ResourceExhausted', hint: expect.stringContaining('maxWindow') });
    expect(error.message).toMatch(/1024 MiB.*256 MiB/);
  });

  test('a window beyond what the library can do is none of the limit', async () => {
    const huge = Buffer.from('28b52ffd00f80100000000', 'hex');
    expect(await decompress('zstd', [huge], undefined, 2 ** 45)).toEqual({ code: 'ResourceExhausted' });
  });
});

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ByteOutput } from '../../src/compression/codec.js';
import { openCompressor } from '../../src/compression/open-compressor.js';
import { ZSTD_HERE } from '../helpers/decompress.js';

const DECOMPRESS = {
  gzip: (bytes: Buffer) => gunzipSync(bytes),
  zstd: (bytes: Buffer) => execFileSync('zstd', ['-dc'], { input: bytes, maxBuffer: 64 << 20 }),
};

/** Takes what comes in rooms of these sizes, over and over. */
class Rooms implements ByteOutput {
  readonly bytes = Buffer.alloc(1 << 16);
  readonly writeIndex = 0;
  readonly #rooms: readonly number[];
  readonly #taken: Buffer[] = [];
  #next = 0;

  constructor(rooms: readonly number[]) {
    this.#rooms = rooms;
  }
  waitRoom(): number {
    return this.#rooms[this.#next++ % this.#rooms.length]!;
  }
  publish(length: number): void {
    this.#taken.push(Buffer.from(this.bytes.subarray(0, length)));
  }
  get all(): Buffer {
    return Buffer.concat(this.#taken);
  }
}

async function compress(
  format: 'gzip' | 'zstd',
  input: Buffer,
  { pieces, rooms }: { readonly pieces: readonly number[]; readonly rooms: readonly number[] },
  options: Parameters<typeof openCompressor>[2] = {},
): Promise<Buffer> {
  const output = new Rooms(rooms);
  const compressor = await openCompressor(format, output, options);
  for (let at = 0, count = 0; at < input.length; count++) {
    const end = Math.min(at + pieces[count % pieces.length]!, input.length);
    await compressor.write(input, at, end);
    at = end;
  }
  await compressor.end();
  compressor.close();
  return output.all;
}

/** Some of it is seen again, some is not. */
const content = fc
  .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.integer({ min: 1, max: 400 })), {
    maxLength: 12,
  })
  .map((parts) => Buffer.concat(parts.flatMap(([bytes, times]) => Array<Uint8Array>(times).fill(bytes))));
const sizes = (max: number) => fc.array(fc.integer({ min: 1, max }), { minLength: 1, maxLength: 5 });
const way = fc.record({ pieces: sizes(200_000), rooms: sizes(1 << 16) });
const AT_ONCE = { pieces: [1 << 30], rooms: [1 << 16] };

const FORMATS = [
  ['gzip', {}] as const,
  ['gzip', { gzip: 'zlib' }] as const,
  ...ZSTD_HERE.map((zstd) => ['zstd', { zstd }] as const),
];

describe.each(FORMATS)('%s %o', (format, options) => {
  test('the same bytes, in whatever pieces they come and go', async () => {
    await fc.assert(
      fc.asyncProperty(content, way, async (input, otherWay) => {
        const compressed = await compress(format, input, AT_ONCE, options);
        expect((await compress(format, input, otherWay, options)).equals(compressed)).toBe(true);
        expect(DECOMPRESS[format](compressed).equals(input)).toBe(true);
      }),
      { numRuns: 50, seed: Number(process.env['OVERLAYER_FUZZ_SEED'] ?? 1) },
    );
  });

  test('many blocks of bytes that do not shrink, and of bytes that do', async () => {
    const input = Buffer.concat([randomBytes(5_300_000), Buffer.alloc(5_300_000), randomBytes(1)]);
    const compressed = await compress(format, input, AT_ONCE, options);
    expect(
      (await compress(format, input, { pieces: [70_001], rooms: [5000] }, options)).equals(compressed),
    ).toBe(true);
    expect(DECOMPRESS[format](compressed).equals(input)).toBe(true);
    expect(compressed.length).toBeLessThan(5_400_000);
  });

  test('an empty input', async () => {
    expect(DECOMPRESS[format](await compress(format, Buffer.alloc(0), AT_ONCE, options)).length).toBe(0);
  });

  test('a room that is just full at the end', async () => {
    const input = Buffer.from('content');
    const { length } = await compress(format, input, AT_ONCE, options);
    for (const room of [1, length - 1, length, length + 1]) {
      const compressed = await compress(format, input, { pieces: [3], rooms: [room] }, options);
      expect(DECOMPRESS[format](compressed).toString()).toBe('content');
    }
  });
});

test('a gzip header has neither a time nor a name', async () => {
  const compressed = await compress('gzip', Buffer.from('x'), AT_ONCE);
  expect([...compressed.subarray(0, 8)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
});

test('a higher level makes less of the same bytes', async () => {
  const input = readFileSync(process.execPath).subarray(0, 8 << 20);
  const sizeAt = async (format: 'gzip' | 'zstd', level: number) => {
    const compressed = await compress(format, input, AT_ONCE, { level });
    expect(DECOMPRESS[format](compressed).equals(input)).toBe(true);
    return compressed.length;
  };
  expect(await sizeAt('gzip', 9)).toBeLessThan(await sizeAt('gzip', 1));
  expect(await sizeAt('zstd', 12)).toBeLessThan(await sizeAt('zstd', 1));
});

import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/base/limits.js';
import type { ByteOutput } from '../../src/compression/codec.js';
import {
  type DecompressorOptions,
  type GzipDecoderName,
  openDecompressor,
} from '../../src/compression/open-decompressor.js';
import { NODE_HAS_ZSTD, ZSTD_LIBRARIES } from '../../src/compression/zstd-library.js';
import { type ErrorCode, OverlayerError } from '../../src/index.js';

/** Those that this Node has. */
export const ZSTD_HERE = ZSTD_LIBRARIES.filter((name) => name !== 'node' || NODE_HAS_ZSTD);

/** What came of a stream: its bytes, by `summary`, or the kind of error. */
export type Outcome =
  | { readonly plain: string; readonly dataAfterStream: boolean }
  | { readonly code: ErrorCode };

/** A small ring, so that every decoder runs out of room again and again. */
class SmallOutput implements ByteOutput {
  readonly bytes = Buffer.alloc(1000);
  readonly #taken: Buffer[] = [];
  writeIndex = 0;

  waitRoom(): number {
    return this.bytes.length - this.writeIndex;
  }

  publish(length: number): void {
    this.#taken.push(Buffer.from(this.bytes.subarray(this.writeIndex, this.writeIndex + length)));
    this.writeIndex = (this.writeIndex + length) % this.bytes.length;
  }

  whole(): string {
    return summary(Buffer.concat(this.#taken));
  }
}

/** Decompresses a stream that comes in these pieces; zstd by each library there is, all with the same outcome. */
export async function decompress(
  format: 'gzip' | 'zstd',
  pieces: Iterable<Uint8Array>,
  gzip?: GzipDecoderName,
  maxWindow: number = DEFAULT_LIMITS.maxWindow,
): Promise<Outcome> {
  const all = [...pieces];
  if (format === 'gzip') return await decompressBy(format, all, { gzip, maxWindow });
  const [outcome, ...others] = await Promise.all(
    ZSTD_HERE.map((zstd) => decompressBy(format, all, { zstd, maxWindow })),
  );
  for (const other of others) expect(other).toEqual(outcome);
  return outcome!;
}

async function decompressBy(
  format: 'gzip' | 'zstd',
  pieces: readonly Uint8Array[],
  options: DecompressorOptions,
): Promise<Outcome> {
  const output = new SmallOutput();
  const decompressor = await openDecompressor(format, output, options);
  // One piece of memory for all of them: a decoder may not keep what it was given.
  let input = Buffer.alloc(1 << 10);
  try {
    for (const piece of pieces) {
      if (input.length < piece.length) input = Buffer.alloc(piece.length);
      input.fill(0xaa).set(piece);
      await decompressor.write(input, 0, piece.length);
    }
    await decompressor.end();
    return { plain: output.whole(), dataAfterStream: decompressor.dataAfterStream };
  } catch (error) {
    if (!OverlayerError.is(error)) throw error;
    return { code: error.code };
  } finally {
    decompressor.close();
  }
}

/** Bytes in so few characters that a failed comparison can be read. */
export function summary(bytes: Uint8Array): string {
  return `${bytes.length} bytes, ${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Pieces of at most `size` bytes. */
export function* cut(bytes: Uint8Array, size: number): Generator<Uint8Array, void, void> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

import { createHash } from 'node:crypto';
import { DEFAULT_LIMITS } from '../../src/base/limits.js';
import type { ByteOutput } from '../../src/compression/decompressor.js';
import { type GzipDecoderName, openDecompressor } from '../../src/compression/open-decompressor.js';
import { type ErrorCode, OverlayerError } from '../../src/index.js';

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

/** Decompresses a stream that comes in these pieces. */
export async function decompress(
  format: 'gzip' | 'zstd',
  pieces: Iterable<Uint8Array>,
  decoder?: GzipDecoderName,
  maxWindow: number = DEFAULT_LIMITS.maxWindow,
): Promise<Outcome> {
  const output = new SmallOutput();
  const decompressor = await openDecompressor(format, output, { gzip: decoder, maxWindow });
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

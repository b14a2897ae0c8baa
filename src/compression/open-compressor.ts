import type { ByteOutput, Compressor } from './codec.js';
import {
  FLUSH,
  openZstdLibrary,
  type ZstdLibrary,
  type ZstdLibraryName,
  type ZstdSteps,
} from './zstd-library.js';

/** @param zstd for tests: this library alone @throws OverlayerError `Unimplemented` when there is no zstd */
export async function openCompressor(
  format: 'gzip' | 'zstd',
  output: ByteOutput,
  zstd?: ZstdLibraryName,
): Promise<Compressor> {
  if (format === 'gzip') return new (await import('./node-zlib.js')).GzipCompressor(output);
  return new ZstdCompressor(output, openZstdLibrary(zstd));
}

/** Holds the last block and the end of a frame with room to spare: ZSTD_CStreamOutSize() is 131,591. */
const HELD_BYTES = 192 * 1024;
const NOTHING = Buffer.alloc(0);

/**
 * Writes one zstd frame. The library writes into a buffer here, not into the output: Node's zlib does not tell whether a
 * frame is complete, except by leaving room after its last part.
 */
class ZstdCompressor implements Compressor {
  readonly #output: ByteOutput;
  readonly #held = new HeldOutput();
  readonly #encoder: ZstdSteps;

  constructor(output: ByteOutput, library: ZstdLibrary) {
    this.#output = output;
    this.#encoder = library.openEncoder(this.#held);
  }

  write(input: Buffer, start: number, end: number): void {
    for (let at = start, full = false; at < end || full; ) {
      const step = this.#encoder.step({ bytes: input, start: at, end, flush: FLUSH.continue });
      at += step.consumed;
      full = step.full;
      this.#held.moveTo(this.#output);
    }
  }

  end(): void {
    while (this.#encoder.step({ bytes: NOTHING, start: 0, end: 0, flush: FLUSH.end }).full)
      this.#held.moveTo(this.#output);
    this.#held.moveTo(this.#output);
  }

  close(): void {
    this.#encoder.close();
  }
}

class HeldOutput implements ByteOutput {
  readonly bytes = Buffer.alloc(HELD_BYTES);
  readonly writeIndex = 0;
  #length = 0;

  waitRoom(): number {
    return HELD_BYTES;
  }

  publish(length: number): void {
    this.#length = length;
  }

  moveTo(output: ByteOutput): void {
    for (let at = 0; at < this.#length; ) {
      const length = Math.min(output.waitRoom(), this.#length - at);
      this.bytes.copy(output.bytes, output.writeIndex, at, at + length);
      output.publish(length);
      at += length;
    }
    this.#length = 0;
  }
}

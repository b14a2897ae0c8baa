import { type ByteOutput, type Compressor, copyInto } from './codec.js';
import { GzipBlocks } from './gzip-blocks.js';
import {
  FLUSH,
  openZstdLibrary,
  type ZstdLibrary,
  type ZstdLibraryName,
  type ZstdSteps,
} from './zstd-library.js';

interface OpenCompressorOptions {
  /** 1 to 9 for gzip, 1 to 22 for zstd. @default gzip: that of the fastest library; zstd: 3 */
  readonly level?: number | undefined;
  /** For tests: zlib alone. @default ISA-L where it is installed and no level is given */
  readonly gzip?: 'zlib' | undefined;
  /** For tests: this library alone. */
  readonly zstd?: ZstdLibraryName | undefined;
}

/** Opens a compressor that uses all cores. @throws OverlayerError `Unimplemented` when there is no zstd */
export async function openCompressor(
  format: 'gzip' | 'zstd',
  output: ByteOutput,
  { level, gzip, zstd }: OpenCompressorOptions = {},
): Promise<Compressor> {
  if (format === 'zstd') return new ZstdCompressor(output, openZstdLibrary(zstd), level);
  const { findIsalDeflater } = await import('./isal-deflate.js');
  const openIsal = level === undefined && gzip === undefined ? findIsalDeflater() : undefined;
  const { ZlibDeflater } = await import('./node-zlib.js');
  return new GzipBlocks(output, openIsal ?? (() => new ZlibDeflater(level)));
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

  constructor(output: ByteOutput, library: ZstdLibrary, level: number | undefined) {
    this.#output = output;
    this.#encoder = library.openEncoder(this.#held, level);
  }

  async write(input: Buffer, start: number, end: number): Promise<void> {
    for (let at = start, full = false; at < end || full; ) {
      const step = this.#encoder.step({ bytes: input, start: at, end, flush: FLUSH.continue });
      at += step.consumed;
      full = step.full;
      this.#held.moveTo(this.#output);
    }
  }

  async end(): Promise<void> {
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
    copyInto(output, this.bytes, 0, this.#length);
    this.#length = 0;
  }
}

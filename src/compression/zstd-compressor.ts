import type { EndDirective } from 'zstd-napi/binding.js';
import { loadZstd } from '../base/natives.js';
import type { Compressor } from './compressor.js';
import type { ByteOutput } from './decompressor.js';

const zstd = loadZstd();
/** zstd's own default. */
const LEVEL = 3;
const NOTHING = Buffer.alloc(0);

/** zstd through zstd-napi: one frame, with a checksum of its content as the command zstd writes it. */
export class ZstdCompressor implements Compressor {
  readonly #output: ByteOutput;
  readonly #context = new zstd.CCtx();

  constructor(output: ByteOutput) {
    this.#output = output;
    this.#context.setParameter(zstd.CParameter.compressionLevel, LEVEL);
    this.#context.setParameter(zstd.CParameter.checksumFlag, 1);
  }

  write(input: Buffer, start: number, end: number): void {
    for (let at = start; at < end; )
      at += this.#step(input.subarray(at, end), zstd.EndDirective.continue).consumed;
  }

  end(): void {
    while (this.#step(NOTHING, zstd.EndDirective.end).left > 0) {
      // There is more.
    }
  }

  close(): void {}

  #step(input: Uint8Array, directive: EndDirective): { readonly left: number; readonly consumed: number } {
    const room = this.#output.waitRoom();
    const { bytes, writeIndex } = this.#output;
    const place = bytes.subarray(writeIndex, writeIndex + room);
    const [left, produced, consumed] = this.#context.compressStream2(place, input, directive);
    if (produced > 0) this.#output.publish(produced);
    return { left, consumed };
  }
}

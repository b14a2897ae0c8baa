import zstd from 'zstd-napi/binding.js';
import { OverlayerError } from '../base/errors.js';
import { type ByteOutput, corruptStream, type Decompressor, truncatedStream } from './decompressor.js';
import { isZstdFrame } from './detect.js';

const MAGIC_BYTES = 4;

/** zstd through zstd-napi, synchronously and straight into the output's memory. */
export class ZstdDecompressor implements Decompressor {
  dataAfterStream = false;
  readonly #output: ByteOutput;
  readonly #context = new zstd.DCtx();
  /** Between frames: the first bytes of what follows, until they tell what it is. */
  #magic: Buffer = Buffer.alloc(0);
  #inFrame = false;
  #frames = 0;

  constructor(output: ByteOutput) {
    this.#output = output;
  }

  write(input: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end && !this.dataAfterStream) {
      if (this.#inFrame) at += this.#decompress(input.subarray(at, end));
      else at = this.#beginFrame(input, at, end);
    }
  }

  end(): void {
    if (this.#inFrame || this.#frames === 0) throw truncatedStream('zstd');
    if (this.#magic.length > 0) this.dataAfterStream = true;
  }

  close(): void {}

  /** Frames, skippable ones among them, follow one another (RFC 8878, 3); anything else is not ours. */
  #beginFrame(input: Buffer, start: number, end: number): number {
    const at = Math.min(end, start + MAGIC_BYTES - this.#magic.length);
    this.#magic = Buffer.concat([this.#magic, input.subarray(start, at)]);
    if (this.#magic.length < MAGIC_BYTES) return at;
    const magic = this.#magic;
    this.#magic = Buffer.alloc(0);
    if (!isZstdFrame(magic)) {
      this.dataAfterStream = true;
      return at;
    }
    this.#inFrame = true;
    this.#frames += 1;
    this.#decompress(magic);
    return at;
  }

  /** @returns bytes taken: all of them, or up to the frame's end */
  #decompress(input: Buffer): number {
    let taken = 0;
    for (;;) {
      const room = this.#output.waitRoom();
      const index = this.#output.writeIndex;
      const [left, produced, consumed] = this.#step(
        this.#output.bytes.subarray(index, index + room),
        input.subarray(taken),
      );
      if (produced > 0) this.#output.publish(produced);
      taken += consumed;
      if (left === 0) {
        this.#inFrame = false;
        return taken;
      }
      // A full output may mean that more is held back; one with room left means more input is wanted.
      if (taken === input.length && produced < room) return taken;
    }
  }

  #step(output: Buffer, input: Buffer): readonly [left: number, produced: number, consumed: number] {
    try {
      return this.#context.decompressStream(output, input);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (/too much memory/i.test(reason))
        throw new OverlayerError(
          'ResourceExhausted',
          'Cannot decompress the layer: its zstd window is larger than 128 MiB',
        );
      throw corruptStream('zstd', reason);
    }
  }
}

import { constants, crc32, createInflateRaw } from 'node:zlib';
import type { ByteOutput } from './codec.js';
import type { Inflater } from './gzip-member.js';
import { MemberError } from './member-decoder.js';
import { ZlibSteps } from './zlib-steps.js';

const { Z_NO_FLUSH } = constants;
const TRAILER_BYTES = 8;

/**
 * Inflates through Node's zlib. Node's decoder of whole gzip streams does not tell where a member ends, and has rules of its
 * own for the bytes behind it.
 */
export class ZlibInflater implements Inflater {
  readonly #output: ByteOutput;
  readonly #zlib: ZlibSteps;
  readonly #trailer = Buffer.alloc(TRAILER_BYTES);
  #trailerFill = 0;
  #inflated = false;
  #crc = 0;
  #length = 0;

  constructor(output: ByteOutput) {
    this.#output = output;
    this.#zlib = new ZlibSteps(createInflateRaw(), output, (message) => new MemberError(message));
  }

  get done(): boolean {
    return this.#trailerFill === TRAILER_BYTES;
  }

  begin(): void {
    this.#zlib.reset();
    this.#trailerFill = 0;
    this.#inflated = false;
    this.#crc = 0;
    this.#length = 0;
  }

  take(input: Buffer, start: number, end: number): number {
    let at = start;
    for (let isFull = false; (at < end || isFull) && !this.#inflated; ) {
      const step = this.#zlib.step({ bytes: input, start: at, end, flush: Z_NO_FLUSH });
      this.#count(step.start, step.produced);
      at += step.consumed;
      isFull = step.full;
      // With room and input left, zlib stops only at the end of the data.
      if (!isFull && at < end) this.#inflated = true;
    }
    return at - start + this.#takeTrailer(input, at, end);
  }

  close(): void {
    this.#zlib.close();
  }

  #count(start: number, length: number): void {
    if (length === 0) return;
    this.#crc = crc32(this.#output.bytes.subarray(start, start + length), this.#crc);
    this.#length = (this.#length + length) % 2 ** 32;
  }

  #takeTrailer(input: Buffer, start: number, end: number): number {
    if (!this.#inflated) return 0;
    const taken = input.copy(this.#trailer, this.#trailerFill, start, end);
    this.#trailerFill += taken;
    if (this.done) {
      if (this.#trailer.readUInt32LE(0) !== this.#crc) throw new MemberError('wrong checksum');
      if (this.#trailer.readUInt32LE(4) !== this.#length) throw new MemberError('wrong length');
    }
    return taken;
  }
}

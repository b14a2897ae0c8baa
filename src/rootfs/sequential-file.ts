import type { System } from '../system/system.js';

const FLUSH_BYTES: number = 8 * 1024 * 1024;
/** Shorter runs of zeros are written: a hole would save no block of most file systems, or break a write in two. */
const MIN_HOLE_BYTES: number = 64 * 1024;
const ZEROS: Buffer = Buffer.alloc(MIN_HOLE_BYTES);

/** A new file that is written from one place on to its end. Long runs of zeros become holes. */
export class SequentialFile {
  readonly #system: System;
  readonly #descriptor: number;
  readonly #flushSoon: boolean;
  #position: number;
  #flushed: number;
  /** The bytes that were written last, and their address. */
  #bytes: Uint8Array | undefined;
  #address = 0;

  /** @param options `flushSoon`: the disk writes the file while it grows, so that a later fsync(2) has little to do */
  constructor(
    system: System,
    descriptor: number,
    { from, flushSoon }: { readonly from: number; readonly flushSoon: boolean },
  ) {
    this.#system = system;
    this.#descriptor = descriptor;
    this.#position = from;
    this.#flushed = from;
    this.#flushSoon = flushSoon;
  }

  get position(): number {
    return this.#position;
  }

  /** Writes `length` bytes from index `start` on. */
  write(bytes: Uint8Array, start: number, length: number): void {
    if (length >= MIN_HOLE_BYTES && areZeros(bytes, start, length)) {
      this.skip(length);
      return;
    }
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#address = this.#system.address(bytes);
    }
    this.#system.pwrite(this.#descriptor, this.#address + start, length, this.#position);
    this.#position += length;
    const ready = this.#position - this.#flushed;
    if (!this.#flushSoon || ready < FLUSH_BYTES) return;
    this.#system.startWriteback(this.#descriptor, this.#flushed, ready);
    this.#flushed = this.#position;
  }

  /** Leaves zeros, which take no space on the disk. */
  skip(length: number): void {
    this.#position += length;
  }

  /** Reads bytes that were written. @returns bytes read, 0 at the end */
  read(address: number, length: number, position: number): number {
    return this.#system.readAt(this.#descriptor, address, length, position);
  }

  /** The file may end in zeros that were not written. */
  end(): void {
    this.#system.truncate(this.#descriptor, this.#position);
  }
}

/** Data ends the comparison at its first byte that is not zero. */
function areZeros(bytes: Uint8Array, start: number, length: number): boolean {
  if (bytes[start] !== 0) return false;
  for (let done = 0; done < length; done += ZEROS.length) {
    const piece = Math.min(ZEROS.length, length - done);
    if (ZEROS.compare(bytes, start + done, start + done + piece, 0, piece) !== 0) return false;
  }
  return true;
}

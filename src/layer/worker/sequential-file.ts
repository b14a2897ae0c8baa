import type { System } from '../../system/system.js';

const FLUSH_BYTES: number = 8 * 1024 * 1024;

/** A file that is written from one place on to its end. */
export class SequentialFile {
  readonly #system: System;
  readonly #descriptor: number;
  readonly #flushSoon: boolean;
  #position: number;
  #flushed: number;

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

  write(address: number, length: number): void {
    this.#system.pwrite(this.#descriptor, address, length, this.#position);
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

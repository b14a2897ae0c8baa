import { crc32OfZeros, openCrc32 } from '../../compression/crc32.js';
import { withChild } from '../../rootfs/directory.js';
import { dataRanges } from '../../rootfs/trees/copy-contents.js';
import { O, type System } from '../../system/system.js';

const BUFFER_BYTES = 1024 * 1024;

/** Reads files and computes the checksum of their content. Holes are not read. */
export class FileChecksum {
  readonly #system: System;
  readonly #crc32 = openCrc32();
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  readonly #address: number;
  readonly #read: (bytes: number) => void;

  /** @param read called with the number of bytes read; what it throws ends the work */
  constructor(system: System, read: (bytes: number) => void = () => {}) {
    this.#system = system;
    this.#address = system.address(this.#buffer);
    this.#read = read;
  }

  of(directory: number, name: string, size: number): number {
    return withChild(this.#system, directory, name, O.RDONLY | O.NONBLOCK, (file) => {
      let checksum = 0;
      let position = 0;
      for (const { start, end } of dataRanges(this.#system, file, size)) {
        checksum = crc32OfZeros(checksum, start - position);
        [checksum, position] = this.#range(file, checksum, start, end);
        if (position < end) return checksum; // it became shorter
      }
      return crc32OfZeros(checksum, size - position);
    });
  }

  #range(file: number, before: number, start: number, end: number): [checksum: number, position: number] {
    let checksum = before;
    let position = start;
    while (position < end) {
      const length = this.#system.read(file, this.#address, Math.min(end - position, BUFFER_BYTES));
      if (length === 0) break;
      checksum = this.#crc32(checksum, this.#buffer, 0, length);
      position += length;
      this.#read(length);
    }
    return [checksum, position];
  }
}

import { crc32OfZeros } from '../base/crc32.js';
import { openCrc32 } from '../compression/crc32.js';

/** Computes the CRC-32 of files in sequence, while their bytes are written. */
export class RunningChecksum {
  readonly #crc32 = openCrc32();
  #checksum = 0;
  #position = 0;

  begin(): void {
    this.#checksum = 0;
    this.#position = 0;
  }

  /** Ranges come in order; a gap is a hole. */
  data(bytes: Uint8Array, start: number, end: number, position: number): void {
    this.#skipTo(position);
    this.#checksum = this.#crc32(this.#checksum, bytes, start, end);
    this.#position = position + (end - start);
  }

  /** @param size the file's length in bytes @returns the CRC-32 */
  end(size: number): number {
    this.#skipTo(size);
    return this.#checksum;
  }

  #skipTo(position: number): void {
    if (position > this.#position) this.#checksum = crc32OfZeros(this.#checksum, position - this.#position);
  }
}

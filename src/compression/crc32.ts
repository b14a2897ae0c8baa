import { crc32 as zlibCrc32 } from 'node:zlib';
import { bindIsal, clearVectorRegisters } from './isal-library.js';

/** @param before checksum of the bytes in front, 0 when there are none @returns that of all up to `end` */
export type Crc32 = (before: number, bytes: Uint8Array, start: number, end: number) => number;

let opened: Crc32 | undefined;

/** The checksum of `zlib.crc32`. ISA-L, where it is installed, takes a tenth of the time. */
export function openCrc32(): Crc32 {
  opened ??= isalCrc32() ?? ((before, bytes, start, end) => zlibCrc32(bytes.subarray(start, end), before));
  return opened;
}

function isalCrc32(): Crc32 | undefined {
  return bindIsal<Crc32>(({ address: addressOf, func }) => {
    const call = func<(...args: number[]) => number>(
      'uint32_t crc32_gzip_refl(uint32_t, uint64_t, uint64_t)',
    );
    let buffer: Uint8Array | undefined;
    let address = 0;
    return (before, bytes, start, end) => {
      if (bytes !== buffer) {
        buffer = bytes;
        address = Number(addressOf(bytes));
      }
      const checksum = call(before, address + start, end - start);
      clearVectorRegisters();
      return checksum;
    };
  });
}

const POLYNOMIAL = 0xedb88320;
/** x^0 and x^8, the highest bit first: the order in which the checksum keeps its bits. */
const ONE = 0x80000000;
const ONE_BYTE = 0x00800000;

/**
 * The CRC-32 after `count` more zero bytes, in time logarithmic in `count`: an archive may declare holes of any length. Each
 * zero byte multiplies the remainder by x^8.
 */
export function crc32OfZeros(crc: number, count: number): number {
  let factor = ONE;
  let power = ONE_BYTE;
  for (let left = count; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) factor = multiply(factor, power);
    power = multiply(power, power);
  }
  return ~multiply(factor, ~crc >>> 0) >>> 0;
}

/** Multiplies polynomials over GF(2), modulo the checksum's polynomial. */
function multiply(a: number, b: number): number {
  let product = 0;
  let shifted = b;
  for (let bit = ONE; bit !== 0; bit >>>= 1) {
    if (a & bit) product ^= shifted;
    shifted = shifted & 1 ? (shifted >>> 1) ^ POLYNOMIAL : shifted >>> 1;
  }
  return product >>> 0;
}

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

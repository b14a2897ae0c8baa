import { crc32 as zlibCrc32 } from 'node:zlib';
import { loadKoffi } from '../base/natives.js';
import { ISAL_LIBRARY } from './isal.js';

/** @param before checksum of the bytes in front, 0 when there are none @returns that of all up to `end` */
export type Crc32 = (before: number, bytes: Uint8Array, start: number, end: number) => number;

let opened: Crc32 | undefined;

/** The checksum of `zlib.crc32`. ISA-L, where it is installed, takes a tenth of the time. */
export function openCrc32(): Crc32 {
  opened ??= isalCrc32() ?? ((before, bytes, start, end) => zlibCrc32(bytes.subarray(start, end), before));
  return opened;
}

function isalCrc32(): Crc32 | undefined {
  try {
    const signature = 'uint32_t crc32_gzip_refl(uint32_t, uint64_t, uint64_t)';
    const koffi = loadKoffi();
    const call = koffi.load(ISAL_LIBRARY).func(signature) as (...args: number[]) => number;
    let buffer: Uint8Array | undefined;
    let address = 0;
    return (before, bytes, start, end) => {
      if (bytes !== buffer) {
        buffer = bytes;
        address = Number(koffi.address(bytes));
      }
      return call(before, address + start, end - start);
    };
  } catch {
    return undefined; // ISA-L or koffi is not installed
  }
}

import { parseNumeric } from './numeric.js';

/** Everything in tar comes in blocks of this many bytes. */
export const BLOCK = 512;

/** Offsets and lengths in a header block (POSIX.1-2017, pax, "ustar Interchange Format"). */
export const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  typeflag: [156, 1],
  linkname: [157, 100],
  magic: [257, 8],
  devmajor: [329, 8],
  devminor: [337, 8],
  prefix: [345, 155],
} as const satisfies Record<string, readonly [offset: number, length: number]>;

export function isZeroBlock(bytes: Uint8Array, start: number): boolean {
  for (let at = start; at < start + BLOCK; at++) if (bytes[at] !== 0) return false;
  return true;
}

/**
 * The header's checksum is the sum of its bytes with the checksum field taken as spaces. Some old writers
 * summed signed bytes; every reader accepts that too.
 */
export function checksumMatches(bytes: Uint8Array, start: number): boolean {
  const [offset, length] = FIELD.checksum;
  let expected: number;
  try {
    expected = parseNumeric(bytes, start + offset, length);
  } catch {
    return false;
  }
  let sum = 0x20 * length;
  let high = 0;
  for (let at = start; at < start + offset; at++) {
    sum += bytes[at]!;
    high += bytes[at]! >> 7;
  }
  for (let at = start + offset + length; at < start + BLOCK; at++) {
    sum += bytes[at]!;
    high += bytes[at]! >> 7;
  }
  return sum === expected || sum - 256 * high === expected;
}

/** How a header spells what ustar has no room for. */
export type HeaderForm = 'v7' | 'ustar' | 'gnu' | 'star';

export function headerForm(bytes: Uint8Array, start: number): HeaderForm {
  const at = start + FIELD.magic[0];
  const isUstar =
    bytes[at] === 0x75 &&
    bytes[at + 1] === 0x73 &&
    bytes[at + 2] === 0x74 &&
    bytes[at + 3] === 0x61 &&
    bytes[at + 4] === 0x72;
  if (!isUstar) return 'v7';
  if (bytes[at + 5] === 0x20) return 'gnu';
  // star's extended header ends in "tar\0"; its prefix is shorter, to make room for two more times.
  const tail = start + 508;
  const isStar =
    bytes[tail] === 0x74 && bytes[tail + 1] === 0x61 && bytes[tail + 2] === 0x72 && bytes[tail + 3] === 0;
  return isStar ? 'star' : 'ustar';
}

export const STAR_PREFIX_LENGTH = 131;

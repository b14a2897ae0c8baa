import { hasNonZero } from '../base/has-non-zero.js';
import { FormatError } from './format-error.js';

const NUL = 0;
const SPACE = 0x20;

/** A field is not a number. */
export class NumericError extends FormatError {}

/**
 * Parses a numeric field: octal digits after spaces, ended by spaces, a NUL or the field's end (POSIX.1-2017 pax, "ustar
 * Interchange Format"), or GNU's base-256 when the first bit is set. An empty field is 0.
 *
 * Digits after a NUL are an error: Go reads them, GNU tar reads them after a single NUL, Python and libarchive read 0. Digits
 * after the spaces that end a number are an error too: GNU tar ignores them, all others refuse them.
 *
 * @throws NumericError when it is neither, or beyond 2^53
 */
export function parseNumeric(bytes: Uint8Array, start: number, length: number): number {
  const first = bytes[start]!;
  if (first & 0x80) return parseBase256(bytes, start, length);
  const end = start + length;
  const digits = skipSpaces(bytes, start, end);
  let value = 0; // 12 octal digits at the most: below 2^53
  let at = digits;
  for (; at < end; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  const isEmpty = at === digits;
  if (!isEmpty && bytes[at] === NUL) return value; // nearly all writers end a number like this
  at = skipSpaces(bytes, at, end);
  if (at < end && bytes[at] !== NUL) throw new NumericError('is not an octal number');
  if (isEmpty)
    for (; at < end; at++)
      if (bytes[at] !== NUL && bytes[at] !== SPACE)
        throw new NumericError('begins with a NUL: readers disagree on its value');
  return value;
}

function skipSpaces(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] === SPACE) at++;
  return at;
}

function parseBase256(bytes: Uint8Array, start: number, length: number): number {
  const negative = (bytes[start]! & 0x40) !== 0;
  // Two's complement: invert the bits of a negative number, and add one at the end.
  const flip = negative ? 0xff : 0;
  let value = (bytes[start]! ^ flip) & 0x3f;
  for (let at = start + 1; at < start + length; at++) {
    value = value * 256 + (bytes[at]! ^ flip);
    if (value > Number.MAX_SAFE_INTEGER) throw new NumericError('overflows');
  }
  return negative ? -value - 1 : value;
}

/** Size of a tar block in bytes. */
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

const CHECKSUM = FIELD.checksum[0];
const CHECKSUM_BYTES = FIELD.checksum[1];

export function isZeroBlock(bytes: Uint8Array, start: number): boolean {
  return !hasNonZero(bytes, start, start + BLOCK);
}

/** Padding bytes after a body of `size` bytes. */
export function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/**
 * The checksum is the sum of the header's bytes, with the checksum field as spaces. Some old writers summed signed bytes,
 * which all readers accept.
 */
export function checksumMatches(bytes: Uint8Array, start: number): boolean {
  const field = start + CHECKSUM;
  let expected: number;
  try {
    expected = parseNumeric(bytes, field, CHECKSUM_BYTES);
  } catch {
    return false;
  }
  let sum = sumBytes(bytes, start) + SPACE * CHECKSUM_BYTES;
  for (let at = field; at < field + CHECKSUM_BYTES; at++) sum -= bytes[at]!;
  return sum === expected || sum - 256 * countHigh(bytes, start) === expected;
}

/** Every second byte of a word. */
const EVEN = 0x00ff00ff;

/**
 * Sums four bytes at a time when they are aligned, which takes a third of the time. It is done for every header, most of
 * whose words are 0.
 */
export function sumBytes(bytes: Uint8Array, start: number): number {
  const address = bytes.byteOffset + start;
  let sum = 0;
  if (address % 4 !== 0) {
    for (let at = start; at < start + BLOCK; at++) sum += bytes[at]!;
    return sum;
  }
  const words = wordsOf(bytes);
  let pairs = 0; // two sums of at most 2 * 128 * 255 in one number
  for (let at = address >> 2, end = (address + BLOCK) >> 2; at < end; at += 4) {
    const first = words[at]!;
    const second = words[at + 1]!;
    const third = words[at + 2]!;
    const fourth = words[at + 3]!;
    if ((first | second | third | fourth) === 0) continue;
    pairs += (first & EVEN) + ((first >>> 8) & EVEN) + (second & EVEN) + ((second >>> 8) & EVEN);
    pairs += (third & EVEN) + ((third >>> 8) & EVEN) + (fourth & EVEN) + ((fourth >>> 8) & EVEN);
  }
  return (pairs & 0xffff) + (pairs >>> 16);
}

let lastBuffer: ArrayBufferLike = new ArrayBuffer(0);
let lastWords: Int32Array<ArrayBufferLike> = new Int32Array(lastBuffer);

/** Keeps the view of the last buffer: a new view costs more than the sum. */
function wordsOf({ buffer }: Uint8Array): Int32Array<ArrayBufferLike> {
  if (buffer !== lastBuffer) {
    lastBuffer = buffer;
    lastWords = new Int32Array(buffer, 0, buffer.byteLength >> 2);
  }
  return lastWords;
}

/** Number of bytes of 128 and more, which a signed sum counts as 256 less. */
function countHigh(bytes: Uint8Array, start: number): number {
  let high = 0;
  for (let at = start; at < start + BLOCK; at++)
    if (at < start + CHECKSUM || at >= start + CHECKSUM + CHECKSUM_BYTES) high += bytes[at]! >> 7;
  return high;
}

/** The format of a header. A magic that only resembles ustar's or GNU's is `v7`, as in Go and GNU tar. */
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
  if (bytes[at + 5] !== 0)
    return bytes[at + 5] === 0x20 && bytes[at + 6] === 0x20 && bytes[at + 7] === 0 ? 'gnu' : 'v7';
  // star's header ends in "tar\0". Its prefix is shorter, since two times follow it.
  const tail = start + 508;
  const isStar =
    bytes[tail] === 0x74 && bytes[tail + 1] === 0x61 && bytes[tail + 2] === 0x72 && bytes[tail + 3] === 0;
  return isStar ? 'star' : 'ustar';
}

export const STAR_PREFIX_LENGTH = 131;

/** GNU's two times, at the place of ustar's prefix. */
export const GNU_TIMES = [
  [345, 12],
  [357, 12],
] as const satisfies readonly (readonly [offset: number, length: number])[];

import { FormatError } from './format-error.js';

const NUL = 0;
const SPACE = 0x20;

/** Why a field is not a number. */
export class NumericError extends FormatError {}

/**
 * A numeric field: octal digits after spaces, ended by spaces, a NUL or the field's end (POSIX.1-2017 pax, "ustar
 * Interchange Format"), or GNU's base-256 when the first bit is set. Empty is 0.
 *
 * Digits after a NUL are refused: Go reads them, GNU tar only after a single NUL, Python and libarchive read 0. So are
 * digits after the spaces that end a number: GNU tar stops there, and all others refuse them.
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
  if (!isEmpty && bytes[at] === NUL) return value; // as nearly all writers end it
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
  // Two's complement: of a negative number every bit is turned over, and one is added at the end.
  const flip = negative ? 0xff : 0;
  let value = (bytes[start]! ^ flip) & 0x3f;
  for (let at = start + 1; at < start + length; at++) {
    value = value * 256 + (bytes[at]! ^ flip);
    if (value > Number.MAX_SAFE_INTEGER) throw new NumericError('overflows');
  }
  return negative ? -value - 1 : value;
}

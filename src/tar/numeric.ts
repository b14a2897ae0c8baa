/** Why a field is not a number; the decoder adds the entry and the offset. */
export class NumericError extends Error {}

/**
 * A numeric field: octal digits with leading spaces or NULs, ended by a space, a NUL or the field's end
 * (POSIX.1-2017 pax, "ustar Interchange Format"), or GNU's base-256 when the first bit is set. Empty is 0.
 *
 * @throws NumericError when it is neither, or beyond 2^53
 */
export function parseNumeric(bytes: Uint8Array, start: number, length: number): number {
  const first = bytes[start]!;
  if (first & 0x80) return parseBase256(bytes, start, length);
  const end = start + length;
  let at = start;
  while (at < end && (bytes[at] === 0x20 || bytes[at] === 0)) at++;
  let value = 0;
  for (; at < end; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit < 0 || digit > 7) {
      if (bytes[at] === 0x20 || bytes[at] === 0) return value;
      throw new NumericError(`is not an octal number`);
    }
    value = value * 8 + digit;
  }
  return value; // 12 octal digits at the most: below 2^53
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

import { FormatError } from './format-error.js';

/** A PAX header is malformed. */
export class PaxError extends FormatError {}

/** Called with the offset of a record's key, which ends before an equals sign, and with the range of its value. */
type PaxVisitor = (key: number, start: number, end: number) => void;

const LINE_FEED = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const EQUALS = 0x3d;
const ZERO = 0x30;
/** Decimal digits of a record's length. Longer numbers exceed every limit. */
const MAX_LENGTH_DIGITS = 10;

/**
 * Visits the records of an extended header: `LENGTH KEY=VALUE\n`. LENGTH is decimal and includes itself (POSIX.1-2017 pax,
 * "pax Extended Header"). Values are bytes, since extended attributes are binary.
 *
 * Allocates nothing: most layers have such a header for every entry, and a hostile layer may have nothing else.
 *
 * @throws PaxError when a length does not match the bytes
 */
export function visitPaxRecords(bytes: Buffer, start: number, end: number, visit: PaxVisitor): void {
  let at = start;
  while (at < end) {
    // Some writers pad with NULs.
    if (bytes[at] === 0) {
      while (at < end) if (bytes[at++] !== 0) throw new PaxError('bytes after the padding of a PAX header');
      return;
    }
    let length = 0;
    let space = at;
    for (; space < end && bytes[space] !== SPACE; space++) {
      const digit = bytes[space]! - 0x30;
      if (digit < 0 || digit > 9 || space - at >= MAX_LENGTH_DIGITS)
        throw new PaxError('PAX record has no length');
      length = length * 10 + digit;
    }
    const next = at + length;
    if (space === at || next > end || next <= space + 2 || bytes[next - 1] !== LINE_FEED)
      throw new PaxError(`PAX record of length ${length} does not end in a line feed`);
    let equals = space + 1;
    while (equals < next - 1 && bytes[equals] !== EQUALS) equals++;
    if (equals === space + 1 || equals === next - 1) throw new PaxError('PAX record has no key');
    if (bytes[space + 1] === SPACE || bytes[space + 1] === TAB)
      throw new PaxError('PAX record has a key that begins with a blank: GNU tar passes over it');
    visit(space + 1, equals + 1, next - 1);
    at = next;
  }
}

/** Parses a whole number, such as `size`, with optional leading zeros; undefined when malformed or beyond 2^53. */
export function parsePaxInteger(bytes: Buffer, start: number, end: number): number | undefined {
  let first = start;
  while (first < end - 1 && bytes[first] === ZERO) first++;
  if (first === end || end - first > 16) return undefined;
  let value = 0;
  for (let at = first; at < end; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Largest number of seconds: a time in the year 31,688,738. */
const MAX_TIME = 1e15;

export interface PaxTime {
  readonly sec: number;
  readonly nsec: number;
}

/** Parses a time: decimal seconds since 1970, optionally negative. Digits after the ninth are dropped. */
export function parsePaxTime(bytes: Buffer, start: number, end: number): PaxTime | undefined {
  const negative = bytes[start] === 0x2d;
  let point = start;
  while (point < end && bytes[point] !== 0x2e) point++;
  const sec = parsePaxInteger(bytes, negative ? start + 1 : start, point);
  if (sec === undefined || sec >= MAX_TIME) return undefined;
  let nsec = 0;
  for (let place = 1; place <= 9; place++) {
    const at = point + place;
    const digit = at < end ? bytes[at]! - 0x30 : 0;
    if (digit < 0 || digit > 9) return undefined;
    nsec = nsec * 10 + digit;
  }
  for (let at = point + 10; at < end; at++) if (bytes[at]! < 0x30 || bytes[at]! > 0x39) return undefined;
  if (!negative) return { sec, nsec };
  return nsec === 0 ? { sec: sec === 0 ? 0 : -sec, nsec } : { sec: -sec - 1, nsec: 1e9 - nsec };
}

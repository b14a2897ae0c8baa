/** Why a PAX header can't be read; the decoder adds the entry and the offset. */
export class PaxError extends Error {}

/** Takes one record: its key, and where in the bytes its value stands. */
export type PaxVisitor = (key: string, start: number, end: number) => void;

const LINE_FEED = 0x0a;
const SPACE = 0x20;
const EQUALS = 0x3d;
/** Decimal digits of a record's length: more would be beyond any limit. */
const MAX_LENGTH_DIGITS = 10;

/**
 * The records of an extended header: `LENGTH KEY=VALUE\n`, LENGTH in decimal and counting itself
 * (POSIX.1-2017 pax, "pax Extended Header"). Values are bytes: extended attributes are binary.
 *
 * Most layers have such a header for every entry, so nothing is allocated but the keys.
 *
 * @throws PaxError when the lengths and the bytes disagree
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
    visit(bytes.toString('utf8', space + 1, equals), equals + 1, next - 1);
    at = next;
  }
}

/** A whole number of a record, such as `size`; undefined when it is none or beyond 2^53. */
export function parsePaxInteger(bytes: Buffer, start: number, end: number): number | undefined {
  if (start === end || end - start > 16) return undefined;
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Seconds up to the year 31,688,738; a sign counts. */
const MAX_TIME_DIGITS = 15;

export interface PaxTime {
  readonly sec: number;
  readonly nsec: number;
}

/** A time of a record: decimal seconds since the epoch, perhaps negative; digits beyond the ninth are dropped. */
export function parsePaxTime(bytes: Buffer, start: number, end: number): PaxTime | undefined {
  const negative = bytes[start] === 0x2d;
  let point = start;
  while (point < end && bytes[point] !== 0x2e) point++;
  const sec = parsePaxInteger(bytes, negative ? start + 1 : start, point);
  if (sec === undefined || point - start > MAX_TIME_DIGITS) return undefined;
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

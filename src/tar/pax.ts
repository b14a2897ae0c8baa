/** Why a PAX header can't be read; the decoder adds the entry and the offset. */
export class PaxError extends Error {}

export interface PaxRecord {
  readonly key: string;
  readonly value: Buffer;
}

/**
 * The records of an extended header: `LENGTH KEY=VALUE\n`, LENGTH in decimal and counting itself
 * (POSIX.1-2017 pax, "pax Extended Header"). Values are bytes: extended attributes are binary.
 *
 * @throws PaxError when the lengths and the bytes disagree
 */
export function* parsePaxRecords(bytes: Buffer): Generator<PaxRecord, void, void> {
  let at = 0;
  while (at < bytes.length) {
    // Some writers pad with NULs.
    if (bytes[at] === 0) {
      while (at < bytes.length)
        if (bytes[at++] !== 0) throw new PaxError('bytes after the padding of a PAX header');
      return;
    }
    const space = bytes.indexOf(0x20, at);
    const digits = space < 0 || space - at > 10 ? '' : bytes.toString('latin1', at, space);
    if (!/^[0-9]+$/.test(digits)) throw new PaxError('PAX record has no length');
    const end = at + Number(digits);
    if (end > bytes.length || end <= space + 2 || bytes[end - 1] !== 0x0a)
      throw new PaxError(`PAX record of length ${digits} does not end in a line feed`);
    const equals = bytes.indexOf(0x3d, space + 1);
    if (equals < 0 || equals >= end - 1 || equals === space + 1) throw new PaxError('PAX record has no key');
    yield { key: bytes.toString('utf8', space + 1, equals), value: bytes.subarray(equals + 1, end - 1) };
    at = end;
  }
}

/** A whole number of a record, such as `size`; undefined when it is none or beyond 2^53. */
export function parsePaxInteger(value: Buffer): number | undefined {
  const text = value.toString('latin1');
  if (!/^[0-9]{1,16}$/.test(text)) return undefined;
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : undefined;
}

export interface PaxTime {
  readonly sec: number;
  readonly nsec: number;
}

/** A time of a record: decimal seconds since the epoch, perhaps negative; digits beyond the ninth are dropped. */
export function parsePaxTime(value: Buffer): PaxTime | undefined {
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(value.toString('latin1'));
  if (match === null) return undefined;
  const sec = Number(match[2]);
  const nsec = Number((match[3] ?? '').slice(0, 9).padEnd(9, '0'));
  if (match[1] !== '-') return { sec, nsec };
  return nsec === 0 ? { sec: sec === 0 ? 0 : -sec, nsec } : { sec: -sec - 1, nsec: 1e9 - nsec };
}

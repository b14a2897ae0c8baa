import type { PaxTime } from './pax.js';

export type PaxRecord = readonly [key: string, value: string | Uint8Array];

const LINE_FEED = Buffer.from('\n');

/** The body of an extended header: see `visitPaxRecords`. */
export function paxRecords(records: readonly PaxRecord[]): Buffer {
  return Buffer.concat(
    records.flatMap(([key, value]) => {
      const bytes = typeof value === 'string' ? Buffer.from(value) : value;
      const rest = Buffer.from(` ${key}=`);
      return [lengthOf(rest.length + bytes.length + LINE_FEED.length), rest, bytes, LINE_FEED];
    }),
  );
}

/** The length of a record counts its own digits. */
function lengthOf(rest: number): Buffer {
  let length = rest + String(rest).length;
  length = rest + String(length).length;
  return Buffer.from(String(length));
}

/** Decimal seconds with as many digits as it takes. */
export function paxTime({ sec, nsec }: PaxTime): string {
  const isBefore = sec < 0 && nsec > 0;
  const whole = isBefore ? -(sec + 1) : Math.abs(sec);
  const fraction = String(isBefore ? 1e9 - nsec : nsec)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return `${sec < 0 ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`;
}

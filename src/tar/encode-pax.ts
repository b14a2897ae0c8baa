import { encodePath } from '../base/path-bytes.js';
import type { PaxTime } from './pax.js';

export type PaxRecord = readonly [key: string, value: string | Uint8Array];

const EQUALS = Buffer.from('=');
const LINE_FEED = Buffer.from('\n');

/** The body of an extended header: see `visitPaxRecords`. */
export function paxRecords(records: readonly PaxRecord[]): Buffer {
  const parts: Uint8Array[] = [];
  let text = '';
  for (const [key, value] of records) {
    if (typeof value === 'string') {
      text += `${lengthOf(key.length + value.length + 3)} ${key}=${value}\n`; // both are ASCII
      continue;
    }
    const name = encodePath(key);
    const length = lengthOf(name.length + value.length + 3);
    parts.push(Buffer.from(`${text}${length} `), name, EQUALS, value, LINE_FEED);
    text = '';
  }
  const end = Buffer.from(text);
  return parts.length === 0 ? end : Buffer.concat([...parts, end]);
}

/** The length of a record counts its own digits. @param rest all others, a space, `=` and the line's end among them */
function lengthOf(rest: number): number {
  const length = rest + String(rest).length;
  return rest + String(length).length;
}

/** Decimal seconds with as many digits as it takes. */
export function paxTime({ sec, nsec }: PaxTime): string {
  const isBefore = sec < 0 && nsec > 0;
  const whole = isBefore ? -(sec + 1) : Math.abs(sec);
  const sign = sec < 0 ? '-' : '';
  if (nsec === 0) return `${sign}${whole}`;
  const fraction = String(isBefore ? 1e9 - nsec : nsec).padStart(9, '0');
  return `${sign}${whole}.${fraction.replace(/0+$/, '')}`;
}

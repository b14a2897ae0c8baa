import { decodePath } from '../base/path-bytes.js';
import { FIELD, type HeaderForm, STAR_PREFIX_LENGTH } from './block.js';
import { NumericError, parseNumeric } from './numeric.js';

/** Why a header can't be read; the decoder adds the entry and the offset. */
export class HeaderError extends Error {}

/** What a text field holds, up to the first NUL. */
export function readText(bytes: Buffer, start: number, length: number): string {
  let end = start;
  let ascii = true;
  for (const limit = start + length; end < limit; end++) {
    const byte = bytes[end]!;
    if (byte === 0) break;
    if (byte > 0x7f) ascii = false;
  }
  if (end === start) return '';
  // latin1 is the fastest way to a string (50 ns), and ASCII is the same in it.
  return ascii ? bytes.toString('latin1', start, end) : decodePath(bytes.subarray(start, end));
}

export function readName(bytes: Buffer, start: number, form: HeaderForm): string {
  const name = readText(bytes, start + FIELD.name[0], FIELD.name[1]);
  if (form !== 'ustar' && form !== 'star') return name;
  const [offset, length] = FIELD.prefix;
  if (bytes[start + offset] === 0) return name;
  const prefix = readText(bytes, start + offset, form === 'star' ? STAR_PREFIX_LENGTH : length);
  return `${prefix}/${name}`;
}

type NumberField = 'mode' | 'uid' | 'gid' | 'size' | 'mtime' | 'devmajor' | 'devminor';

export function readNumber(bytes: Buffer, start: number, field: NumberField): number {
  const [offset, length] = FIELD[field];
  const value = readNumberAt(bytes, start + offset, length, field);
  // Times before 1970 are the one thing that may be negative.
  if (value < 0 && field !== 'mtime') throw new HeaderError(`field ${field} is negative`);
  return value;
}

export function readNumberAt(bytes: Buffer, start: number, length: number, label: string): number {
  try {
    return parseNumeric(bytes, start, length);
  } catch (error) {
    if (error instanceof NumericError) throw new HeaderError(`field ${label} ${error.message}`);
    throw error;
  }
}

import { decodePath } from '../base/path-bytes.js';
import {
  FIELD,
  GNU_TIMES,
  type HeaderForm,
  NumericError,
  parseNumeric,
  STAR_PREFIX_LENGTH,
} from './block.js';
import { FormatError } from './format-error.js';

/** A header is malformed. */
export class HeaderError extends FormatError {}

/** The text of a field up to the first NUL. */
export function readText(bytes: Buffer, start: number, length: number): string {
  let end = start;
  let ascii = true;
  for (const limit = start + length; end < limit; end++) {
    const byte = bytes[end]!;
    if (byte === 0) break;
    if (byte > 0x7f) ascii = false;
  }
  if (end === start) return '';
  // latin1 is the fastest decoder (50 ns), and right for ASCII.
  return ascii ? bytes.toString('latin1', start, end) : decodePath(bytes.subarray(start, end));
}

/**
 * The name in a header block.
 *
 * @throws HeaderError for a prefix that only some readers put before the name
 */
export function readName(bytes: Buffer, start: number, form: HeaderForm): string {
  const name = readText(bytes, start + FIELD.name[0], FIELD.name[1]);
  const prefix = start + FIELD.prefix[0];
  const length = FIELD.prefix[1];
  if (bytes[prefix] === 0) return name;
  switch (form) {
    case 'ustar':
      return `${readText(bytes, prefix, length)}/${name}`;
    case 'star':
      // GNU tar, libarchive and Python read up to the first NUL, into the times that follow star's prefix.
      if (bytes[prefix + STAR_PREFIX_LENGTH - 1] === 0) return `${readText(bytes, prefix, length)}/${name}`;
      throw new HeaderError("star's prefix has no end: readers disagree on the name", { entry: name });
    case 'gnu':
      // Go 1.7 wrote a prefix here (docker up to 1.13), which Go and Python read, and GNU tar and libarchive do not.
      if (holdsTimes(bytes, start)) return name;
      throw new HeaderError('a GNU header has a prefix: readers disagree on the name', { entry: name });
    case 'v7':
      // Python always reads it, libarchive when the magic resembles ustar's.
      throw new HeaderError('a header that is not ustar has a prefix: readers disagree on the name', {
        entry: name,
      });
    default:
      form satisfies never;
      return name;
  }
}

function holdsTimes(bytes: Buffer, start: number): boolean {
  try {
    for (const [offset, length] of GNU_TIMES) parseNumeric(bytes, start + offset, length);
    return true;
  } catch {
    return false;
  }
}

type NumberField = 'mode' | 'uid' | 'gid' | 'size' | 'mtime' | 'devmajor' | 'devminor';

export function readNumber(bytes: Buffer, start: number, field: NumberField): number {
  // Not `const [offset, length]`: before it is optimized, it makes an iterator and its results.
  const place = FIELD[field];
  const value = readNumberAt(bytes, start + place[0], place[1], field);
  // Only times may be negative: before 1970.
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

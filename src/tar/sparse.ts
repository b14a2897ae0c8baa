import { parseNumeric } from './numeric.js';

/** A range of a sparse file that has data; the rest are holes. */
export interface SparseRange {
  readonly offset: number;
  readonly length: number;
}

/** Why a sparse map can't be; the decoder adds the entry and the offset. */
export class SparseError extends Error {}

/** Ranges rise, do not overlap, lie in the file, and hold together what the archive stores. */
export function checkSparseMap(map: readonly SparseRange[], realSize: number, storedSize: number): void {
  let end = 0;
  let stored = 0;
  for (const { offset, length } of map) {
    if (offset < end || offset + length > realSize)
      throw new SparseError('sparse map is not in order or leaves the file');
    end = offset + length;
    stored += length;
  }
  if (stored !== storedSize)
    throw new SparseError(`sparse map covers ${stored} bytes and ${storedSize} are stored`);
}

/** Old GNU format (type `S`): four ranges in the header itself, 21 in each extension block. */
export const OLD_GNU = {
  map: 386,
  mapRanges: 4,
  extended: 482,
  realSize: 483,
  blockRanges: 21,
  blockExtended: 504,
} as const;

/** Appends the ranges at `start`; an empty one ends the map. */
export function readOldGnuRanges(bytes: Uint8Array, start: number, count: number, map: SparseRange[]): void {
  for (let at = start; at < start + count * 24; at += 24) {
    if (bytes[at] === 0 && bytes[at + 12] === 0) return;
    const offset = parseNumeric(bytes, at, 12);
    const length = parseNumeric(bytes, at + 12, 12);
    if (offset < 0 || length < 0) throw new SparseError('sparse map has a negative number');
    // GNU tar ends a map with an empty range at the file's end; it holds nothing.
    if (length > 0) map.push({ offset, length });
  }
}

/** Format 0.1: `offset,length,offset,length…` in one PAX record. Format 0.0 comes as separate records. */
export function parseSparseList(numbers: readonly string[]): SparseRange[] {
  if (numbers.length % 2 !== 0) throw new SparseError('sparse map has an odd number of values');
  const map: SparseRange[] = [];
  for (let at = 0; at < numbers.length; at += 2) {
    const offset = parseDecimal(numbers[at]!);
    const length = parseDecimal(numbers[at + 1]!);
    if (length > 0) map.push({ offset, length });
  }
  return map;
}

/** Format 1.0: the map stands before the data as decimal numbers, one a line, padded to a block. */
export class SparseMapReader {
  readonly #numbers: string[] = [];
  #rest = '';
  #wanted: number | undefined;

  /** @returns the map once this block has completed it */
  push(block: Buffer): SparseRange[] | undefined {
    const lines = (this.#rest + block.toString('latin1')).split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) {
      if (this.#wanted === undefined) this.#wanted = parseDecimal(line) * 2;
      else this.#numbers.push(line);
      if (this.#numbers.length === this.#wanted) return parseSparseList(this.#numbers);
    }
    if (this.#rest.length > 16) throw new SparseError('sparse map has a value that is not a number');
    return undefined;
  }
}

export function parseDecimal(text: string): number {
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new SparseError(`sparse map has a value that is not a number`);
  return value;
}

import { BLOCK, headerForm, parseNumeric } from './block.js';
import type { Extension } from './extension.js';
import { FormatError } from './format-error.js';
import { readNumberAt } from './header.js';

/** A range of a sparse file that has data; the rest are holes. */
export interface SparseRange {
  readonly offset: number;
  readonly length: number;
}

/** A sparse map is malformed. */
export class SparseError extends FormatError {}

/** Reads a map from blocks of its own. */
export interface SparseMapReader {
  /** Whether the entry's stored size includes the blocks. */
  readonly inBody: boolean;
  /** Reads the block at `start`. @returns the map when it is complete */
  push(bytes: Buffer, start: number): SparseRange[] | undefined;
}

/** Checks that ranges ascend, do not overlap, are within the file, and have the stored size in total. */
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
const OLD_GNU = {
  map: 386,
  mapRanges: 4,
  extended: 482,
  realSize: 483,
  blockRanges: 21,
  blockExtended: 504,
} as const;

/** The full size of the file whose header of type `S` stands at `start`. */
export function oldGnuSize(bytes: Buffer, start: number): number {
  // The field is in ustar's prefix. Go refuses such a header, GNU tar and libarchive read an ordinary file.
  if (headerForm(bytes, start) !== 'gnu')
    throw new SparseError("a sparse file of type S is not in GNU's form: readers disagree on its content");
  const size = readNumberAt(bytes, start + OLD_GNU.realSize, 12, 'realsize');
  if (size < 0) throw new SparseError('field realsize is negative');
  return size;
}

/** The map of the header of type `S` at `start`. */
export function oldGnuMap(bytes: Buffer, start: number): SparseRange[] | SparseMapReader {
  const map: SparseRange[] = [];
  readOldGnuRanges(bytes, start + OLD_GNU.map, OLD_GNU.mapRanges, map);
  if (bytes[start + OLD_GNU.extended] === 0) return map;
  return {
    inBody: false,
    push(block: Buffer, at: number) {
      readOldGnuRanges(block, at, OLD_GNU.blockRanges, map);
      return block[at + OLD_GNU.blockExtended] === 0 ? map : undefined;
    },
  };
}

/** The map of PAX records, or a reader for one in the body. */
export function paxMap({
  sparseMajor,
  sparseMinor,
  sparseBlocks,
  sparsePairs,
  sparseList,
}: Extension): SparseRange[] | SparseMapReader {
  const version = `${sparseMajor ?? ''}.${sparseMinor ?? ''}`;
  switch (version) {
    case '1.0':
      if ((sparseBlocks ?? sparsePairs ?? sparseList) !== undefined)
        throw new SparseError('sparse file has two maps: readers disagree on which one counts');
      return new SparseTextReader();
    case '0.0':
    case '0.1':
    case '.':
      return listedMap(sparseList, sparsePairs, sparseBlocks);
    default:
      throw new SparseError(`sparse format ${version} is not known`, { code: 'Unimplemented' });
  }
}

/** The map of formats 0.0 and 0.1, whose number of ranges is in a record of its own. */
function listedMap(
  list: readonly string[] | undefined,
  pairs: readonly string[] | undefined,
  blocks: number | undefined,
): SparseRange[] {
  if (list !== undefined && pairs !== undefined)
    throw new SparseError('sparse file has two maps: readers disagree on which one counts');
  const numbers = list ?? pairs ?? (blocks === 0 ? [] : undefined);
  if (numbers === undefined) throw new SparseError('sparse file has no map');
  // Go refuses another number, or none; GNU tar leaves ranges out; libarchive and Python do not read it.
  if (blocks === undefined || numbers.length !== 2 * blocks)
    throw new SparseError(
      `sparse map has ${numbers.length} numbers, and its record says ${blocks ?? 'no'} ranges`,
    );
  return parseSparseList(numbers);
}

/** Appends the ranges at `start`; an empty one ends the map. */
function readOldGnuRanges(bytes: Uint8Array, start: number, count: number, map: SparseRange[]): void {
  for (let at = start; at < start + count * 24; at += 24) {
    if (bytes[at] === 0 && bytes[at + 12] === 0) return;
    const offset = parseNumeric(bytes, at, 12);
    const length = parseNumeric(bytes, at + 12, 12);
    if (offset < 0 || length < 0) throw new SparseError('sparse map has a negative number');
    // GNU tar ends a map with an empty range at the end of the file.
    if (length > 0) map.push({ offset, length });
  }
}

/** Format 0.1: `offset,length,offset,length…` in one PAX record. Format 0.0 comes as separate records. */
function parseSparseList(numbers: readonly string[]): SparseRange[] {
  const map: SparseRange[] = [];
  for (let at = 0; at < numbers.length; at += 2) {
    const offset = parseDecimal(numbers[at]!);
    const length = parseDecimal(numbers[at + 1]!);
    if (length > 0) map.push({ offset, length });
  }
  return map;
}

/** Format 1.0: the map is before the data, as one decimal number per line, padded to a block. */
class SparseTextReader implements SparseMapReader {
  readonly inBody = true;
  readonly #numbers: string[] = [];
  #rest = '';
  #wanted: number | undefined;

  push(bytes: Buffer, start: number): SparseRange[] | undefined {
    const lines = (this.#rest + bytes.toString('latin1', start, start + BLOCK)).split('\n');
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

function parseDecimal(text: string): number {
  const value = /^0*[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new SparseError(`sparse map has a value that is not a number`);
  return value;
}

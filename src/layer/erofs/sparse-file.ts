import { BLOCK_BITS, BLOCK_BYTES } from '../../erofs/format.js';
import type { StoredChunks } from '../../erofs/tree.js';

/** A range of a sparse file with data, and where the tar has them. */
export interface DataRange {
  readonly position: number;
  readonly tarOffset: number;
  length: number;
}

/** A page: smaller chunks save little. */
const MIN_CHUNK_BITS = 12;
const MAX_CHUNK_BITS: number = BLOCK_BITS + 31;
const INDEX_BYTES = 4;

/** Bytes of a sparse file in the image: its data in whole chunks, or nothing between two ranges of the tar. */
type SparsePiece =
  | { readonly kind: 'zeros'; readonly length: number }
  | { readonly kind: 'copy'; readonly tarOffset: number; readonly length: number };

/** The chunks of a sparse file that have data. */
export interface SparsePlan {
  readonly chunkBits: number;
  readonly parts: readonly StoredChunks[];
  /** The bytes at `offset` of the image, in order. */
  readonly pieces: readonly SparsePiece[];
  /** Bytes of the pieces: a multiple of 512. */
  readonly bytes: number;
}

/**
 * The size of chunks for which a file takes the least space: each chunk has an index, and each range can leave the rest
 * of two chunks unused.
 */
function chunkBitsFor(size: number, ranges: number): number {
  const best = Math.sqrt((INDEX_BYTES * size) / (2 * Math.max(ranges, 1)));
  const bits = ranges === 0 ? Math.ceil(Math.log2(size)) : Math.round(Math.log2(best));
  return Math.min(Math.max(bits, MIN_CHUNK_BITS), MAX_CHUNK_BITS);
}

/** Bytes that a sparse file takes at most: indexes and chunks with data. */
export function sparseCost(size: number, ranges: readonly DataRange[]): number {
  const chunk = 2 ** chunkBitsFor(size, ranges.length);
  const data = ranges.reduce((sum, { length }) => sum + length + 2 * chunk, 0);
  return Math.ceil(size / chunk) * INDEX_BYTES + Math.min(data, size + chunk);
}

/**
 * @param ranges in ascending order, without overlaps
 * @param offset where the image has the first chunk
 */
export function planSparse(size: number, ranges: readonly DataRange[], offset: number): SparsePlan {
  const chunkBits = chunkBitsFor(size, ranges.length);
  const chunkBytes = 2 ** chunkBits;
  const parts: { chunk: number; count: number; offset: number }[] = [];
  const pieces: SparsePiece[] = [];
  /** Bytes of pieces so far; and the position in the file that they have reached. */
  let bytes = 0;
  let position = 0;
  const zeros = (until: number) => {
    if (until > position) pieces.push({ kind: 'zeros', length: until - position });
    bytes += until - position;
    position = until;
  };
  for (const { position: from, tarOffset, length } of ranges) {
    if (length === 0) continue;
    const first = Math.floor(from / chunkBytes);
    const last = Math.floor((from + length - 1) / chunkBytes);
    const part = parts.at(-1);
    if (part === undefined || first > part.chunk + part.count) {
      if (part !== undefined) zeros((part.chunk + part.count) * chunkBytes);
      position = first * chunkBytes;
      parts.push({ chunk: first, count: last - first + 1, offset: offset + bytes });
    } else part.count = last - part.chunk + 1;
    zeros(from);
    pieces.push({ kind: 'copy', tarOffset, length });
    bytes += length;
    position += length;
  }
  const part = parts.at(-1);
  // The last chunk ends with the file, in a whole block.
  if (part !== undefined)
    zeros(Math.min((part.chunk + part.count) * chunkBytes, Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES));
  return { chunkBits, parts, pieces, bytes };
}

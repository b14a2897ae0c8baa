import { type Limits, limitError } from '../../base/limits.js';
import type { WorkBudget } from '../../base/work-budget.js';
import { BLOCK_BITS, BLOCK_BYTES, CHUNK_INDEX_BYTES, roundUp } from '../../erofs/format.js';
import { TAR_OFFSET } from '../../erofs/head.js';
import type { ErofsTree, StoredChunks } from '../../erofs/tree.js';
import type { TarEntry } from '../../tar/types.js';

/** A range of a sparse file with data, and where the tar has them. */
interface DataRange {
  readonly position: number;
  readonly tarOffset: number;
  length: number;
}

/** A page: smaller chunks save little. */
const MIN_CHUNK_BITS = 12;
const MAX_CHUNK_BITS: number = BLOCK_BITS + 31;
/** Memory of a range. */
const RANGE_BYTES = 48;
/** Bytes of a sparse file for which one call is charged. */
const BYTES_OF_A_CALL: number = 16 * 1024;

/** Bytes of sparse files in the image: data, which are copied from the tar there, and zeros between them. */
export type SparsePiece =
  /** May be a hole of the file. */
  | { readonly kind: 'zeros'; readonly length: number }
  /** Bytes from `offset` of the layer file itself. */
  | { readonly kind: 'copy'; readonly from: 'self'; readonly offset: number; readonly length: number };

/** The chunks of a sparse file that have data. */
interface SparsePlan {
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
  const best = Math.sqrt((CHUNK_INDEX_BYTES * size) / (2 * Math.max(ranges, 1)));
  const bits = ranges === 0 ? Math.ceil(Math.log2(size)) : Math.round(Math.log2(best));
  return Math.min(Math.max(bits, MIN_CHUNK_BITS), MAX_CHUNK_BITS);
}

/** Bytes that a sparse file takes at most: indexes and chunks with data. */
function sparseCost(size: number, ranges: readonly DataRange[]): number {
  const chunk = 2 ** chunkBitsFor(size, ranges.length);
  const data = ranges.reduce((sum, { length }) => sum + length + 2 * chunk, 0);
  return Math.ceil(size / chunk) * CHUNK_INDEX_BYTES + Math.min(data, size + chunk);
}

/**
 * @param ranges in ascending order, without overlaps
 * @param offset where the image has the first chunk
 */
function planSparse(size: number, ranges: readonly DataRange[], offset: number): SparsePlan {
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
    pieces.push({ kind: 'copy', from: 'self', offset: TAR_OFFSET + tarOffset, length });
    bytes += length;
    position += length;
  }
  const part = parts.at(-1);
  // The last chunk ends with the file, in a whole block.
  if (part !== undefined) zeros(Math.min((part.chunk + part.count) * chunkBytes, roundUp(size, BLOCK_BYTES)));
  return { chunkBits, parts, pieces, bytes };
}

/** The sparse files of a layer. Their data are copied from the tar, which has them without the holes. */
export class SparseFiles {
  readonly #tree: ErofsTree;
  readonly #limits: Limits;
  readonly #budget: WorkBudget;
  readonly #files: { readonly inode: number; readonly size: number; readonly ranges: DataRange[] }[] = [];
  /** The current file, its ranges, and where the tar has its next data. */
  #entry: TarEntry | undefined;
  #ranges: DataRange[] = [];
  #tarOffset = 0;
  /** Bytes that all files take at most. */
  #bytes = 0;

  constructor(tree: ErofsTree, limits: Limits, budget: WorkBudget) {
    this.#tree = tree;
    this.#limits = limits;
    this.#budget = budget;
  }

  begin(inode: number, entry: TarEntry): void {
    this.#entry = entry;
    this.#tarOffset = entry.dataOffset;
    this.#ranges = [];
    this.#budget.keep(RANGE_BYTES);
    this.#files.push({ inode, size: entry.size, ranges: this.#ranges });
  }

  /** Data of the current file. Ranges are in order; the tar has them one after the other. */
  data(length: number, position: number): void {
    if (this.#entry === undefined) return;
    const last = this.#ranges.at(-1);
    if (last !== undefined && last.position + last.length === position) last.length += length;
    else {
      this.#budget.keep(RANGE_BYTES);
      this.#ranges.push({ position, tarOffset: this.#tarOffset, length });
    }
    this.#tarOffset += length;
  }

  /** @throws OverlayerError `ResourceExhausted` */
  end(): void {
    if (this.#entry === undefined) return;
    const { size, path, offset } = this.#entry;
    this.#entry = undefined;
    const bytes = sparseCost(size, this.#ranges);
    this.#budget.charge(Math.ceil(bytes / BYTES_OF_A_CALL));
    this.#bytes += bytes;
    const { maxBytes } = this.#limits;
    if (this.#bytes > maxBytes) throw limitError('maxBytes', maxBytes, { entry: path, offset });
  }

  /**
   * Gives the files of the tree their data.
   *
   * @param start where the image has the first of them: a multiple of 512
   * @returns the bytes at `start`, in order; and their end, a multiple of 512
   */
  *place(start: number): Generator<SparsePiece, number, void> {
    let offset = start;
    for (const { inode, size, ranges } of this.#files) {
      if (this.#tree.namesOf(inode) === 0) continue;
      const { chunkBits, parts, pieces, bytes } = planSparse(size, ranges, offset);
      this.#tree.setSparse(inode, size, { chunkBits, parts });
      yield* pieces;
      offset += bytes;
    }
    return offset;
  }
}

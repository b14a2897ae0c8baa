/** No record: no inode, or no name. */
export const NONE = -1;

/** Records of a segment. Full segments are not copied when the table grows, so that memory never holds two copies. */
const SEGMENT_BITS = 14;
const SEGMENT_RECORDS: number = 1 << SEGMENT_BITS;
const SEGMENT_MASK: number = SEGMENT_RECORDS - 1;
/** Of the first segment, which grows. Memory outside the heap makes the garbage collector run: 3 MB took 1 ms. */
const FIRST_RECORDS = 64;

/** A growing table of records of 32-bit words. A record is a number, and no object: 2,000,000 of them fit in memory. */
export class Records {
  readonly #words: number;
  readonly #segments: Int32Array[] = [];
  #length = 0;
  #room = 0;

  /** @param words of each record */
  constructor(words: number) {
    this.#words = words;
  }

  get length(): number {
    return this.#length;
  }

  /** @returns the number of a new record, whose words are 0 */
  add(): number {
    if (this.#length === this.#room) this.#grow();
    return this.#length++;
  }

  get(record: number, word: number): number {
    return this.#segments[record >>> SEGMENT_BITS]![(record & SEGMENT_MASK) * this.#words + word]!;
  }

  set(record: number, word: number, value: number): void {
    this.#segments[record >>> SEGMENT_BITS]![(record & SEGMENT_MASK) * this.#words + word] = value;
  }

  #grow(): void {
    const grows = this.#room < SEGMENT_RECORDS;
    const records = grows ? Math.max(FIRST_RECORDS, this.#room * 2) : SEGMENT_RECORDS;
    const segment = new Int32Array(records * this.#words);
    const first = grows ? this.#segments.pop() : undefined;
    if (first !== undefined) segment.set(first);
    this.#segments.push(segment);
    this.#room = grows ? records : this.#room + records;
  }
}

/** Bytes of a chunk of an `Arena`. A piece is never longer. */
const CHUNK_BITS = 20;
const CHUNK_BYTES: number = 1 << CHUNK_BITS;
/** Of the first chunk, which grows. */
const FIRST_BYTES = 4096;
/** Bytes of a length that is kept before a piece. */
export const LENGTH_BYTES = 4;

/** A growing memory for pieces of bytes, which stay until the end. 4 GiB at most. */
export class Arena {
  readonly #chunks: Buffer[] = [];
  #end = CHUNK_BYTES;

  /**
   * Makes room for a piece. The caller fills it, before it makes room for another: `chunk(place)` from `offset(place)` on.
   *
   * @param length 1 MiB at most
   * @returns the place of the piece, as an unsigned number of 32 bits
   */
  take(length: number): number {
    const chunks = this.#chunks;
    if (this.#end + length > CHUNK_BYTES) {
      chunks.push(Buffer.alloc(chunks.length === 0 ? roundUpToPower(length) : CHUNK_BYTES));
      this.#end = 0;
    } else if (this.#end + length > chunks.at(-1)!.length) {
      const grown = Buffer.alloc(roundUpToPower(this.#end + length));
      chunks.pop()!.copy(grown);
      chunks.push(grown);
    }
    const place = (this.#chunks.length - 1) * CHUNK_BYTES + this.#end;
    this.#end += length;
    return place;
  }

  /** Keeps a piece with its length. @returns its place */
  store(bytes: Uint8Array): number {
    const place = this.take(LENGTH_BYTES + bytes.length);
    const chunk = this.chunk(place);
    chunk.writeUInt32LE(bytes.length, this.offset(place));
    chunk.set(bytes, this.offset(place) + LENGTH_BYTES);
    return place;
  }

  /** The bytes of a piece that was kept with its length. */
  piece(place: number): Buffer {
    const at = this.offset(place) + LENGTH_BYTES;
    return this.chunk(place).subarray(at, at + this.lengthOf(place));
  }

  lengthOf(place: number): number {
    return this.chunk(place).readUInt32LE(this.offset(place));
  }

  /** The memory that holds the piece at `place`. */
  chunk(place: number): Buffer {
    return this.#chunks[place >>> CHUNK_BITS]!;
  }

  /** The offset of the piece in its chunk. */
  offset(place: number): number {
    return place & (CHUNK_BYTES - 1);
  }
}

/** @returns a power of two */
function roundUpToPower(bytes: number): number {
  return Math.max(FIRST_BYTES, 2 ** Math.ceil(Math.log2(bytes)));
}

/** Words of a name's record. */
export const NAME = { parent: 0, inode: 1, place: 2, hash: 3, chain: 4, next: 5, previous: 6 } as const;
export const NAME_WORDS = 7;
/** Words of an inode's record. `mode` has the type and permissions below, and the marks above. */
export const INODE = {
  mode: 0,
  uid: 1,
  gid: 2,
  mtimeLow: 3,
  mtimeHigh: 4,
  mtimeNsec: 5,
  sizeLow: 6,
  sizeHigh: 7,
  /** A file: its first block; a sparse one: its number in `#sparse`. A symlink: the place of its target. A device: it. */
  data: 8,
  xattrs: 9,
  names: 10,
  /** Where the image has the inode; a number of slots. */
  slot: 11,
  /** A directory's first and last name, and its own name. */
  first: 12,
  last: 13,
  name: 14,
  /** A directory or symlink whose data are not with its inode: its first block, counted from `firstBlock`. */
  block: 15,
} as const;
export const INODE_WORDS = 16;

/** Marks of a tree's inodes. The image has the first two as attributes of overlayfs; the others are the user's own. */
export const MARK = {
  /** A directory whose lower contents are hidden: `trusted.overlay.opaque`. */
  opaque: 0x10000,
  /** A directory that has had whiteouts: `trusted.overlay.origin`, without which overlayfs would list them. */
  origin: 0x20000,
  user1: 0x100000,
  user2: 0x200000,
} as const;

/** The mark of a sparse file. */
export const SPARSE = 0x40000;

export function sizeOf(inodes: Records, inode: number): number {
  return inodes.get(inode, INODE.sizeHigh) * 2 ** 32 + (inodes.get(inode, INODE.sizeLow) >>> 0);
}

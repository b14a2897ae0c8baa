import { BLOCK_BYTES, DIRENT_BYTES, FILE_TYPE, MODE } from './format.js';
import { INODE, NAME, NONE } from './records.js';
import type { TreeParts } from './tree.js';

/** Types of directory entries by bits 12 to 15 of the mode. */
const TYPES: Uint8Array = new Uint8Array(16);
for (const kind of Object.keys(FILE_TYPE) as (keyof typeof FILE_TYPE)[])
  TYPES[MODE[kind] >> 12] = FILE_TYPE[kind];

const DOT = 0x2e;
/** Stand for the entries `.` and `..`, which have no record. */
const SELF = -2;
const PARENT = -3;
/** Entries of a block, each with a name of one byte. */
const MOST_ENTRIES: number = Math.floor(BLOCK_BYTES / (DIRENT_BYTES + 1));

/**
 * Directory entries in order, in blocks. `.` and `..` are sorted among the others: some names, such as "-", are before
 * them.
 */
export class Dirents {
  readonly #parts: TreeParts;
  /** How many of the directory's entries are directories. */
  directories = 0;
  #directory = 0;
  /** The next name. */
  #next: number = NONE;
  /** The next of `.` and `..`; NONE when both were taken. */
  #before: number = SELF;
  /** The first entry of the next block. */
  #waiting: number = NONE;
  /** Entries of the current block. */
  readonly #entries = new Int32Array(MOST_ENTRIES);

  constructor(parts: TreeParts) {
    this.#parts = parts;
  }

  /** The bytes of a directory, and `directories`. */
  measure(directory: number): number {
    const { names, inodes } = this.#parts;
    this.directories = 0;
    this.#begin(directory);
    let full = 0;
    let used = 0;
    for (let entry = this.#take(); entry !== NONE; entry = this.#take()) {
      const bytes = DIRENT_BYTES + this.#lengthOf(entry);
      if (used + bytes > BLOCK_BYTES) {
        full += BLOCK_BYTES;
        used = 0;
      }
      used += bytes;
      if (entry >= 0 && (inodes.get(names.get(entry, NAME.inode), INODE.mode) & MODE.type) === MODE.directory)
        this.directories += 1;
    }
    return full + used;
  }

  /** Begins to write a directory. Call `write` until it `isDone`. */
  begin(directory: number): void {
    this.#directory = directory;
    this.#begin(directory);
    this.#waiting = this.#take();
  }

  get isDone(): boolean {
    return this.#waiting === NONE;
  }

  /** Writes the next block of the directory. @returns its bytes without those that stay free */
  write(bytes: Buffer, at: number): number {
    const entries = this.#entries;
    let count = 0;
    let used = 0;
    while (this.#waiting !== NONE) {
      const length = DIRENT_BYTES + this.#lengthOf(this.#waiting);
      if (used + length > BLOCK_BYTES) break;
      used += length;
      entries[count++] = this.#waiting;
      this.#waiting = this.#take();
    }
    const { names, arena } = this.#parts;
    let nameOffset = count * DIRENT_BYTES;
    for (let index = 0; index < count; index++) {
      const entry = entries[index]!;
      const dirent = at + index * DIRENT_BYTES;
      const inode = this.#inodeOf(entry);
      bytes.writeUInt32LE(this.#slotOf(inode), dirent);
      bytes.writeUInt16LE(nameOffset, dirent + 8);
      bytes[dirent + 10] = this.#typeOf(inode);
      if (entry < 0) {
        bytes[at + nameOffset++] = DOT;
        if (entry === PARENT) bytes[at + nameOffset++] = DOT;
        continue;
      }
      const place = names.get(entry, NAME.place);
      const chunk = arena.chunk(place);
      let from = arena.offset(place);
      for (const end = from + chunk[from]!; from < end; ) bytes[at + nameOffset++] = chunk[++from]!;
    }
    return used;
  }

  #begin(directory: number): void {
    this.#next = this.#parts.inodes.get(directory, INODE.first);
    this.#before = SELF;
  }

  /** The next entry, NONE after the last one. */
  #take(): number {
    const next = this.#next;
    if (this.#before !== NONE && (next === NONE || this.#isAfterDots(next))) {
      const taken = this.#before;
      this.#before = taken === SELF ? PARENT : NONE;
      return taken;
    }
    if (next !== NONE) this.#next = this.#parts.names.get(next, NAME.next);
    return next;
  }

  /** Whether a name is after `.`, or after `..` when that is the next. */
  #isAfterDots(name: number): boolean {
    const { names, arena } = this.#parts;
    const place = names.get(name, NAME.place);
    const chunk = arena.chunk(place);
    const at = arena.offset(place);
    const first = chunk[at + 1]!;
    if (first !== DOT || this.#before === SELF) return first >= DOT;
    return chunk[at + 2]! >= DOT;
  }

  #lengthOf(entry: number): number {
    if (entry === SELF) return 1;
    if (entry === PARENT) return 2;
    const { names, arena } = this.#parts;
    const place = names.get(entry, NAME.place);
    return arena.chunk(place)[arena.offset(place)]!;
  }

  #inodeOf(entry: number): number {
    const { names, inodes } = this.#parts;
    if (entry >= 0) return names.get(entry, NAME.inode);
    if (entry === SELF) return this.#directory;
    const own = inodes.get(this.#directory, INODE.name);
    return own === NONE ? this.#directory : names.get(own, NAME.parent);
  }

  #slotOf(inode: number): number {
    return this.#parts.inodes.get(inode, INODE.slot) >>> 0;
  }

  #typeOf(inode: number): number {
    return TYPES[(this.#parts.inodes.get(inode, INODE.mode) & MODE.type) >> 12]!;
  }
}

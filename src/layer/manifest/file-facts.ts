/** Indices of a row: what a manifest says of a regular file, and its inode. */
export const FACT = {
  uid: 0,
  gid: 1,
  /** `st_mode` of stat(2); -1 when the file has to be looked at. */
  mode: 2,
  mtimeSec: 3,
  mtimeNsec: 4,
  size: 5,
  /** `Stat.blocks` while the file was open. */
  blocks: 6,
  /** CRC-32 of its content; -1 when it is not known. */
  checksum: 7,
  inode: 8,
} as const;
/** How many numbers a row has. */
export const FACTS = 9;

const UNKNOWN = -1;
const FIRST_ROWS = 64;

/**
 * Facts about the regular files of a layer, by inode: the name under which a file is found later does not matter.
 * Threads that send it to each other share its memory.
 */
export interface FileFacts {
  /** Rows in the layer's order. If two have the same inode, the later one is valid. */
  readonly rows: Float64Array;
  /** Inodes of files that have further names. */
  readonly linked: Float64Array;
}

/** Collects facts, in 72 bytes of memory a file. */
export class FileFactsLog {
  #rows = sharedNumbers(FIRST_ROWS * FACTS);
  #length = 0;
  readonly #linked: number[] = [];

  /** Adds the row that begins at `at`. */
  note(numbers: Float64Array, at: number): void {
    const rows = this.#withRoom();
    for (let fact = 0; fact < FACTS; fact++) rows[this.#length + fact] = numbers[at + fact]!;
    this.#length += FACTS;
  }

  /** Makes the facts about an inode invalid: a file that is not the layer's has it now. */
  forget(inode: number): void {
    this.#withRoom().fill(UNKNOWN, this.#length, this.#length + FACT.inode);
    this.#rows[this.#length + FACT.inode] = inode;
    this.#length += FACTS;
  }

  noteLinked(inode: number): void {
    this.#linked.push(inode);
  }

  all(): FileFacts {
    return { rows: this.#rows.subarray(0, this.#length), linked: Float64Array.from(this.#linked) };
  }

  #withRoom(): Float64Array {
    if (this.#length === this.#rows.length) {
      const larger = sharedNumbers(2 * this.#length);
      larger.set(this.#rows);
      this.#rows = larger;
    }
    return this.#rows;
  }
}

function sharedNumbers(length: number): Float64Array {
  return new Float64Array(new SharedArrayBuffer(length * Float64Array.BYTES_PER_ELEMENT));
}

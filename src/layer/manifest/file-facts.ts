/** Where in a row what stands: what a manifest says of a regular file, beside its inode. */
export const FACT = {
  uid: 0,
  gid: 1,
  /** Of `stat`; -1 where the file has to be looked at. */
  mode: 2,
  mtimeSec: 3,
  mtimeNsec: 4,
  size: 5,
  /** As `Stat.blocks`, while the file was open. */
  blocks: 6,
  /** Of its content (CRC-32); -1 where it is not known. */
  checksum: 7,
  inode: 8,
} as const;
/** Numbers of a row. */
export const FACTS = 9;

const UNKNOWN = -1;
const FIRST_ROWS = 64;

/**
 * What is known of the regular files that a layer has brought, each beside its inode, so that it does not matter by
 * which name it is found in the end. Threads that send it to each other share its memory.
 */
export interface FileFacts {
  /** In the layer's order: of two with the same inode, the later one holds. */
  readonly rows: Float64Array;
  /** Inodes of files that have got further names. */
  readonly linked: Float64Array;
}

/** Takes them down: 72 bytes of memory a file. */
export class FileFactsLog {
  #rows = sharedNumbers(FIRST_ROWS * FACTS);
  #length = 0;
  readonly #linked: number[] = [];

  /** Of the row that begins at `at`. */
  note(numbers: Float64Array, at: number): void {
    const rows = this.#withRoom();
    for (let fact = 0; fact < FACTS; fact++) rows[this.#length + fact] = numbers[at + fact]!;
    this.#length += FACTS;
  }

  /** What has the inode now is not what the layer brought. */
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

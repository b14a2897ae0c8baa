/** Memory of a string in a set, without its characters. */
const BYTES_OF_ONE = 96;

/** A set of strings that reports its memory. */
export class CountedSet {
  readonly #strings = new Set<string>();
  readonly #keep: (bytes: number) => void;

  /** @param keep called with the bytes of each added string, and with negative bytes for a deleted one */
  constructor(keep: (bytes: number) => void) {
    this.#keep = keep;
  }

  get size(): number {
    return this.#strings.size;
  }

  has(string: string): boolean {
    return this.#strings.has(string);
  }

  add(string: string): void {
    if (this.#strings.has(string)) return;
    this.#keep(BYTES_OF_ONE + string.length);
    this.#strings.add(string);
  }

  /** @returns whether it was there */
  delete(string: string): boolean {
    const had = this.#strings.delete(string);
    if (had) this.#keep(-BYTES_OF_ONE - string.length);
    return had;
  }
}

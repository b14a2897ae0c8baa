import { type Arena, NAME, NONE, type Records } from './records.js';

/** Sorts the names of directories by their bytes, as the kernel's binary search needs them. */
export class NameSorter {
  readonly #names: Records;
  readonly #arena: Arena;
  readonly #step: () => void;
  #list = new Int32Array(1024);

  /** @param step called for each comparison; it may throw to abort */
  constructor(names: Records, arena: Arena, step: () => void) {
    this.#names = names;
    this.#arena = arena;
    this.#step = step;
  }

  /**
   * Links the names of a directory in order.
   *
   * @param first the first name as they were added; NONE in an empty directory
   * @returns the first name in order
   */
  sort(first: number): number {
    if (this.#isSorted(first)) return first;
    const names = this.#names;
    let count = 0;
    for (let name = first; name !== NONE; name = names.get(name, NAME.next)) {
      if (count === this.#list.length) this.#double();
      this.#list[count++] = name;
    }
    const list = this.#list.subarray(0, count).sort((one, other) => this.#compare(one, other));
    for (let at = 0; at < count; at++) names.set(list[at]!, NAME.next, at + 1 < count ? list[at + 1]! : NONE);
    return list[0]!;
  }

  /** Most archives list the names of a directory in order. */
  #isSorted(first: number): boolean {
    if (first === NONE) return true;
    let before = first;
    for (
      let name = this.#names.get(first, NAME.next);
      name !== NONE;
      name = this.#names.get(name, NAME.next)
    ) {
      if (this.#compare(before, name) > 0) return false;
      before = name;
    }
    return true;
  }

  #compare(one: number, other: number): number {
    this.#step();
    const arena = this.#arena;
    const placeOfOne = this.#names.get(one, NAME.place);
    const placeOfOther = this.#names.get(other, NAME.place);
    const bytesOfOne = arena.chunk(placeOfOne);
    const bytesOfOther = arena.chunk(placeOfOther);
    let at = arena.offset(placeOfOne);
    let otherAt = arena.offset(placeOfOther);
    const lengths = bytesOfOne[at]! - bytesOfOther[otherAt]!;
    const end = at + (lengths < 0 ? bytesOfOne[at]! : bytesOfOther[otherAt]!);
    while (at < end) {
      const difference = bytesOfOne[++at]! - bytesOfOther[++otherAt]!;
      if (difference !== 0) return difference;
    }
    return lengths;
  }

  #double(): void {
    const list = new Int32Array(this.#list.length * 2);
    list.set(this.#list);
    this.#list = list;
  }
}

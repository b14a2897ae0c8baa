import { statId } from '../../rootfs/directory.js';
import type { Stat } from '../../system/system.js';

/** A file of the upper tree that has several names. */
interface LinkedFile<Entry> {
  /** Path of the entry that has its content; undefined before there is one. */
  written: string | undefined;
  /** Its names that are the same in the lower tree. They are left out, unless the file has to be written. */
  readonly left: Entry[];
}

/** Finds the names of one file in the upper tree and in the lower one. Files with one name take no memory. */
export class LinkedFiles<Entry> {
  readonly #files = new Map<string, LinkedFile<Entry>>();
  readonly #lowerOf = new Map<string, string>();
  readonly #upperOf = new Map<string, string>();

  /** @returns undefined for a file with one name */
  get(upper: Stat): LinkedFile<Entry> | undefined {
    if (upper.nlink < 2) return undefined;
    const id = statId(upper);
    const known = this.#files.get(id);
    if (known !== undefined) return known;
    const file: LinkedFile<Entry> = { written: undefined, left: [] };
    this.#files.set(id, file);
    return file;
  }

  /**
   * Whether a name can be left out of the layer: names of one file in one tree have to be names of one file in the
   * other.
   */
  areLinkedAlike(lower: Stat, upper: Stat): boolean {
    if (lower.nlink < 2 && upper.nlink < 2) return true;
    const [lowerId, upperId] = [statId(lower), statId(upper)];
    if ((this.#upperOf.get(lowerId) ?? upperId) !== upperId) return false;
    if ((this.#lowerOf.get(upperId) ?? lowerId) !== lowerId) return false;
    this.#upperOf.set(lowerId, upperId);
    this.#lowerOf.set(upperId, lowerId);
    return true;
  }
}

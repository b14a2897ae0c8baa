import { decodePath } from '../base/path-bytes.js';
import { MAX_NAME_BYTES } from './format.js';
import { NameHash } from './name-hash.js';
import { type Arena, NAME, NAME_WORDS, NONE, Records } from './records.js';

/** Bytes of one record, with its part of the table of hashes: the table has one to two words for each name. */
const NAME_BYTES = NAME_WORDS * 4 + 8;

const FIRST_BUCKETS = 64;

/** The names of a tree, which are found by their directory and text. The tree keeps the order of each directory. */
export class NameTable {
  readonly records: Records = new Records(NAME_WORDS);
  readonly #arena: Arena;
  readonly #keep: (bytes: number) => void;
  readonly #hash = new NameHash();
  /** The first name of each hash, plus 1. */
  #buckets = new Int32Array(FIRST_BUCKETS);
  #count = 0;

  /** @param arena for the texts @param keep called with the bytes that a name takes. It may throw */
  constructor(arena: Arena, keep: (bytes: number) => void) {
    this.#arena = arena;
    this.#keep = keep;
  }

  get count(): number {
    return this.#count;
  }

  /** @returns the name's number; NONE when the directory does not have it */
  find(directory: number, text: string): number {
    this.#hash.load(text);
    if (this.#hash.length > MAX_NAME_BYTES) return NONE;
    const hash = this.#hash.hash(directory);
    const names = this.records;
    let name = this.#buckets[hash & (this.#buckets.length - 1)]! - 1;
    for (; name !== NONE; name = names.get(name, NAME.chain))
      if (
        names.get(name, NAME.hash) === hash &&
        names.get(name, NAME.parent) === directory &&
        this.#isLoaded(name)
      )
        return name;
    return NONE;
  }

  /** Adds a name that the directory does not have. @returns its number */
  add(directory: number, text: string, inode: number): number {
    const hash = this.#hash;
    hash.load(text);
    const { length } = hash;
    this.#keep(NAME_BYTES + 1 + length);
    const names = this.records;
    const added = names.add();
    const place = this.#arena.take(1 + length);
    const chunk = this.#arena.chunk(place);
    const at = this.#arena.offset(place);
    chunk[at] = length;
    for (let byte = 0; byte < length; byte++) chunk[at + 1 + byte] = hash.bytes[byte]!;
    names.set(added, NAME.parent, directory);
    names.set(added, NAME.inode, inode);
    names.set(added, NAME.place, place);
    const hashed = hash.hash(directory);
    names.set(added, NAME.hash, hashed);
    if (this.#count === this.#buckets.length) this.#grow();
    this.#count += 1;
    const bucket = hashed & (this.#buckets.length - 1);
    names.set(added, NAME.chain, this.#buckets[bucket]! - 1);
    this.#buckets[bucket] = added + 1;
    return added;
  }

  /** Removes a name, which is not found any more. Its record stays. */
  remove(name: number): void {
    this.#count -= 1;
    const names = this.records;
    const bucket = names.get(name, NAME.hash) & (this.#buckets.length - 1);
    const next = names.get(name, NAME.chain);
    let before = this.#buckets[bucket]! - 1;
    if (before === name) {
      this.#buckets[bucket] = next + 1;
      return;
    }
    while (names.get(before, NAME.chain) !== name) before = names.get(before, NAME.chain);
    names.set(before, NAME.chain, next);
  }

  /** The text of a name, in the form of `encodePath`. */
  textOf(name: number): string {
    const place = this.records.get(name, NAME.place);
    const chunk = this.#arena.chunk(place);
    const at = this.#arena.offset(place);
    return decodePath(chunk.subarray(at + 1, at + 1 + chunk[at]!));
  }

  /** Whether a name has the bytes that were loaded. */
  #isLoaded(name: number): boolean {
    const { bytes, length } = this.#hash;
    const place = this.records.get(name, NAME.place);
    const chunk = this.#arena.chunk(place);
    const at = this.#arena.offset(place);
    if (chunk[at] !== length) return false;
    for (let byte = 0; byte < length; byte++) if (chunk[at + 1 + byte] !== bytes[byte]) return false;
    return true;
  }

  /** Doubles the table. Names that were removed are in no chain. */
  #grow(): void {
    const old = this.#buckets;
    const buckets = new Int32Array(old.length * 2);
    const names = this.records;
    for (let bucket = 0; bucket < old.length; bucket++)
      for (let name = old[bucket]! - 1; name !== NONE; ) {
        const next = names.get(name, NAME.chain);
        const place = names.get(name, NAME.hash) & (buckets.length - 1);
        names.set(name, NAME.chain, buckets[place]! - 1);
        buckets[place] = name + 1;
        name = next;
      }
    this.#buckets = buckets;
  }
}

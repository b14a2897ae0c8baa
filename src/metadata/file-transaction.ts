import { readEntries } from './lmdb-file.js';
import type { Entry, Key, ReadTransaction, Value } from './metadata-store.js';

/**
 * Reads a part of a metadata store without LMDB. `openLmdbStore` reads all of it, and reports what is wrong with it.
 *
 * @param sections the first parts of the keys that are read. Their other parts must be names
 * @returns undefined when the store has to be opened
 */
export function readFileTransaction(path: string, sections: readonly string[]): ReadTransaction | undefined {
  const wanted = sections.map((section) => Buffer.from(section));
  const isWanted = (key: Buffer) =>
    wanted.some(
      ({ length }, index) =>
        key.subarray(0, length).equals(wanted[index]!) && (key.length === length || key[length] === 0),
    );
  const entries = readEntries(path, isWanted);
  try {
    const sorted = entries?.toSorted((a, b) => Buffer.compare(a.key, b.key));
    return sorted && new FileTransaction(sorted.map(({ key, value }) => [String(key), parseValue(value)]));
  } catch {
    return undefined; // a record is not JSON
  }
}

class FileTransaction implements ReadTransaction {
  /** By the texts of the keys. */
  readonly #values: ReadonlyMap<string, Value>;

  constructor(entries: readonly (readonly [key: string, value: Value])[]) {
    this.#values = new Map(entries);
  }

  get(key: Key): Value | undefined {
    return this.#values.get(textOf(key));
  }

  *entries(prefix: Key): Generator<Entry> {
    for (const [text, value] of this.#values)
      if (text.startsWith(`${textOf(prefix)}\0`)) yield { key: text.split('\0'), value };
  }
}

/** lmdb separates the parts of a key by NUL. Names have no control characters, which it would escape. */
function textOf(key: Key): string {
  return key.join('\0');
}

function parseValue(value: Buffer): Value {
  return JSON.parse(String(value)) as Value;
}

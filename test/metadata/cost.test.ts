import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLmdbStore } from '../../src/metadata/lmdb-store.js';
import type { Entry, Key, MetadataStore, WriteTransaction } from '../../src/metadata/metadata-store.js';
import {
  commitRecord,
  createRecord,
  getAncestors,
  getRecord,
  listRecords,
  removeRecord,
  reserveIds,
  updateRecord,
} from '../../src/metadata/snapshot-records.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

/** What a transaction asks of the store: each is a search in its tree, or a step in it. */
class Counting implements WriteTransaction {
  steps = 0;
  readonly #inner: WriteTransaction;
  constructor(inner: WriteTransaction) {
    this.#inner = inner;
  }
  get(key: Key) {
    this.steps += 1;
    return this.#inner.get(key);
  }
  put(key: Key, value: Parameters<WriteTransaction['put']>[1]) {
    this.steps += 1;
    this.#inner.put(key, value);
  }
  delete(key: Key) {
    this.steps += 1;
    this.#inner.delete(key);
  }
  *entries(prefix: Key, after?: Key): Generator<Entry> {
    this.steps += 1;
    for (const entry of this.#inner.entries(prefix, after)) {
      this.steps += 1;
      yield entry;
    }
  }
}

const record = (name: string, id: number) =>
  ({ name, id, kind: 'active', parent: 'base', labels: { some: 'label' }, staged: false }) as const;

const USAGE = { bytes: 0, inodes: 1 };

const OPERATIONS: Readonly<Record<string, (transaction: WriteTransaction) => unknown>> = {
  'reserving ids': (transaction) => reserveIds(transaction, 32),
  creating: (transaction) => createRecord(transaction, record('new', 9_000_000)),
  'looking one up': (transaction) => getRecord(transaction, 'new'),
  'following its parents': (transaction) => getAncestors(transaction, getRecord(transaction, 'new')),
  updating: (transaction) => updateRecord(transaction, 'new', { other: 'label' }, []),
  committing: (transaction) =>
    commitRecord(transaction, 'new', { name: 'newer', parent: undefined, labels: {}, usage: USAGE }),
  'listing a few': (transaction) => listRecords(transaction, 'newer', 1),
  'refusing to remove a parent': (transaction) => expect(() => removeRecord(transaction, 'base')).toThrow(),
  removing: (transaction) => removeRecord(transaction, 'newer'),
};

let directory: string;
beforeAll(() => {
  directory = makeWorkDirectory();
});
afterAll(() => rmSync(directory, { recursive: true }));

async function filled(count: number): Promise<MetadataStore> {
  const store = openLmdbStore(join(directory, `${count}.db`));
  await store.write((transaction) => {
    createRecord(transaction, { ...record('before base', 1), parent: undefined });
    const base = { name: 'base', parent: undefined, labels: {}, usage: USAGE };
    commitRecord(transaction, 'before base', base);
    for (let number = 0; number < count; number++)
      createRecord(transaction, record(`name ${number}`, number + 2));
    createRecord(transaction, { ...record('z', count + 2), parent: undefined });
  });
  return store;
}

describe('no operation takes more steps among 20,000 snapshots than among 10', () => {
  let few: MetadataStore;
  let many: MetadataStore;
  beforeAll(async () => {
    [few, many] = [await filled(10), await filled(20_000)];
  });
  afterAll(async () => {
    for (const store of [few, many]) await store.close();
  });

  test.each(Object.keys(OPERATIONS))('%s', async (name) => {
    const steps = (store: MetadataStore) =>
      store.write((inner) => {
        const transaction = new Counting(inner);
        OPERATIONS[name]!(transaction);
        return transaction.steps;
      });
    const [among10, among20000] = [await steps(few), await steps(many)];
    expect(among20000).toBe(among10);
    expect(among20000).toBeLessThan(12);
  });
});

import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { OverlayerError } from '../../src/index.js';
import { openLmdbStore } from '../../src/metadata/lmdb-store.js';
import type { Key, MetadataStore, ReadTransaction } from '../../src/metadata/metadata-store.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

let directory: string;
let path: string;
let store: MetadataStore;

beforeEach(() => {
  directory = makeWorkDirectory();
  path = join(directory, 'metadata.db');
  store = openLmdbStore(path);
});
afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true });
});

const get = (key: Key) => store.read((transaction) => transaction.get(key));
const keys = (transaction: ReadTransaction, prefix: Key, after?: Key) =>
  Array.from(transaction.entries(prefix, after), ({ key }) => key);

describe('a transaction', () => {
  test('gives what was written, also before it is over', async () => {
    const inside = await store.write((transaction) => {
      transaction.put(['a', 1], { some: ['value', null, 2.5, true] });
      return transaction.get(['a', 1]);
    });
    expect(inside).toEqual({ some: ['value', null, 2.5, true] });
    expect(get(['a', 1])).toEqual(inside);
    expect(get(['a', 2])).toBeUndefined();
  });

  test('that throws has done nothing, and its error is the caller’s', async () => {
    await store.write((transaction) => transaction.put(['a'], 'before'));
    const failure = new OverlayerError('AlreadyExists', 'as it happens');
    const write = store.write((transaction) => {
      transaction.put(['a'], 'after');
      transaction.put(['b'], 'new');
      transaction.delete(['a']);
      throw failure;
    });
    await expect(write).rejects.toBe(failure);
    expect([get(['a']), get(['b'])]).toEqual(['before', undefined]);
  });

  test('that throws leaves those beside it alone', async () => {
    const writes = [0, 1, 2, 3, 4, 5].map((number) =>
      store.write((transaction) => {
        transaction.put(['n', number], number);
        if (number % 2 === 1) throw new Error('odd');
      }),
    );
    const outcomes = await Promise.allSettled(writes);
    expect(outcomes.map(({ status }) => status === 'fulfilled')).toEqual([
      true,
      false,
      true,
      false,
      true,
      false,
    ]);
    expect(store.read((transaction) => keys(transaction, ['n']))).toEqual([0, 2, 4].map((n) => ['n', n]));
  });

  test('sees what the one before has written', async () => {
    const increment = () =>
      store.write((transaction) => {
        const count = ((transaction.get(['count']) as number | undefined) ?? 0) + 1;
        transaction.put(['count'], count);
        return count;
      });
    const counts = await Promise.all(Array.from({ length: 50 }, increment));
    expect(counts.sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
  });

  test('of reading stays as it was, whatever is written meanwhile', async () => {
    await store.write((transaction) => transaction.put(['a'], 'before'));
    let write: Promise<void> | undefined;
    const seen = store.read((transaction) => {
      const before = transaction.get(['a']);
      write = store.write((inner) => inner.put(['a'], 'after'));
      return [before, transaction.get(['a'])];
    });
    await write;
    expect(seen).toEqual(['before', 'before']);
    expect(get(['a'])).toBe('after');
  });
});

describe('entries', () => {
  const all: Key[] = [
    ['a'],
    ['a', 2],
    ['a', 10],
    ['a', 'x'],
    ['a', 'x', 1],
    ['a', 'é'],
    ['a', '\u{1f40b}'],
    ['ab', 1],
    ['b', 1],
  ];
  beforeEach(async () => {
    await store.write((transaction) => {
      for (const key of all.toReversed()) transaction.put(key, true);
    });
  });

  test('come in order, all that begin with a prefix', () => {
    const found = store.read((transaction) => keys(transaction, ['a']));
    expect(found).toEqual(all.filter(([first, ...more]) => first === 'a' && more.length > 0));
    expect(store.read((transaction) => keys(transaction, ['a', 'x']))).toEqual([['a', 'x', 1]]);
    expect(store.read((transaction) => keys(transaction, ['c']))).toEqual([]);
  });

  test('go on after one of them, or where it was', async () => {
    const after: Key = ['a', 10];
    const found = () => store.read((transaction) => keys(transaction, ['a'], after));
    const expected = all.filter(([first, second]) => first === 'a' && typeof second === 'string');
    expect(found()).toEqual(expected);
    await store.write((transaction) => transaction.delete(after));
    expect(found()).toEqual(expected);
  });
});

test('the file is for its owner’s eyes only', () => {
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('what was written is there when it is opened again, here or elsewhere', async () => {
  await store.write((transaction) => transaction.put(['a'], 1));
  const beside = openLmdbStore(path);
  expect(beside.read((transaction) => transaction.get(['a']))).toBe(1);
  await beside.write((transaction) => transaction.put(['a'], 2));
  expect(get(['a'])).toBe(2);
  await beside.close();
  await store.close();
  store = openLmdbStore(path);
  expect(get(['a'])).toBe(2);
});

test('closing waits for what is being written, and a second time does nothing', async () => {
  const write = store.write((transaction) => transaction.put(['late'], 1));
  await Promise.all([store.close(), store.close(), write]);
  const error = { code: 'FailedPrecondition' };
  expect(() => get(['late'])).toThrow(expect.objectContaining(error));
  await expect(store.write(() => {})).rejects.toMatchObject(error);
  store = openLmdbStore(path);
  expect(get(['late'])).toBe(1);
});

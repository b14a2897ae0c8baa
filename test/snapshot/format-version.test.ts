import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openSnapshotter, openStore } from '../../src/index.js';
import { openLmdbStore } from '../../src/metadata/lmdb-store.js';
import type { Key, Value } from '../../src/metadata/metadata-store.js';
import { failureOf } from '../helpers/sandbox.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const KEY: Key = ['format version'];

let root: string;
beforeEach(async () => {
  root = makeWorkDirectory();
  await using snapshots = await openSnapshotter({ root, backend: 'native' });
  await snapshots.prepare('a');
});
afterEach(() => rmSync(root, { recursive: true }));

async function changeVersion(version: Value | undefined): Promise<void> {
  const store = openLmdbStore(join(root, 'metadata.db'));
  await store.write((transaction) =>
    version === undefined ? transaction.delete(KEY) : transaction.put(KEY, version),
  );
  await store.close();
}

test('a new root says its version', async () => {
  const store = openLmdbStore(join(root, 'metadata.db'));
  expect(store.read((transaction) => transaction.get(KEY))).toBe(1);
  await store.close();
});

test('a root that says none is of version 1', async () => {
  await changeVersion(undefined);
  await using snapshots = await openSnapshotter({ root });
  expect((await snapshots.stat('a')).kind).toBe('active');
});

test.each([
  ['snapshots', openSnapshotter],
  ['store', openStore],
])('a root of a later version is refused: %s', async (_, open) => {
  await changeVersion(2);
  const error = await failureOf(open({ root }) as Promise<unknown>);
  expect(error).toMatchObject({
    code: 'FailedPrecondition',
    message: `The store in "${root}" is of format version 2: this overlayer knows 1`,
  });
});

import { copyFileSync, mkdirSync, readdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readImages } from '../../src/index.js';
import { openLmdbStore } from '../../src/metadata/lmdb-store.js';
import { failureOf } from '../helpers/sandbox.js';
import { TestStore } from './use-store.js';

const box = new TestStore('native');

const make = (name: string, platform?: { readonly os: string; readonly architecture: string }) =>
  box.store.createImage({ name, layers: [], platform });
const metadata = () => join(box.root, 'metadata.db');

test('images are those that the store lists', async () => {
  for (const name of ['b:1', 'example.org/a:2', `long-${'name'.repeat(40)}`]) await make(name);
  await make('other:1', { os: 'linux', architecture: 'arm64' });
  for (const filters of [undefined, ['name~=a:'], ['target.digest==sha256:none'], ['labels.none']]) {
    const listed = await box.store.images.list({ filters });
    const fields = listed.map(({ name, target, platform, labels, createdAt, updatedAt }) => ({
      ...{ name, target, platform, labels, createdAt, updatedAt },
    }));
    expect(await readImages(box.root, { filters })).toEqual(fields);
  }
  expect(await readImages(box.root)).toHaveLength(4);
});

test('a directory without a store is refused, and stays as it is', async () => {
  const root = join(box.directory, 'none');
  mkdirSync(root);
  expect(await failureOf(readImages(root))).toMatchObject({ code: 'NotFound' });
  expect(readdirSync(root)).toEqual([]);
});

test('a store that is damaged is refused as by openStore', async () => {
  await make('a');
  const root = join(box.directory, 'damaged');
  mkdirSync(join(root, 'snapshots'), { recursive: true });
  copyFileSync(metadata(), join(root, 'metadata.db'));
  truncateSync(join(root, 'metadata.db'), 3 * 4096);
  expect(await failureOf(readImages(root))).toMatchObject({
    code: 'DataLoss',
    hint: expect.stringContaining('check --rebuild'),
  });
});

test('a store of a later version is refused', async () => {
  const store = openLmdbStore(metadata());
  await store.write((transaction) => transaction.put(['format version'], 2));
  await store.close();
  expect(await failureOf(readImages(box.root))).toMatchObject({
    code: 'FailedPrecondition',
    message: `The store in "${box.root}" is of format version 2: this overlayer knows 1`,
  });
});

test('filters are checked', async () => {
  expect(await failureOf(readImages(box.root, { filters: ['name=='] }))).toMatchObject({
    code: 'InvalidArgument',
  });
});

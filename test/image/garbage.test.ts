import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { unpackSnapshot } from '../../src/index.js';
import { layoutFiles, writeFiles } from '../helpers/hand-made-image.js';
import { failureOf } from '../helpers/sandbox.js';
import { file, tar } from '../helpers/tar-builder.js';
import { EMPTY, TestStore } from './use-store.js';

const BASE = tar(file('base', '1'));
const FIRST = [BASE, tar(file('first', '2'))];
const SECOND = [BASE, tar(file('second', '3'))];

const box = new TestStore();
beforeEach(async () => {
  await importAs('first:1', FIRST);
  await importAs('second:1', SECOND);
});

/** Without a name in the layout. */
async function importAs(name: string, layers: readonly Uint8Array[]): Promise<void> {
  const files = layoutFiles({}, layers);
  const index = JSON.parse(Buffer.from(files['index.json']!).toString());
  delete index.manifests[0].annotations;
  const layout = join(box.directory, name);
  await box.store.import(writeFiles(layout, { ...files, 'index.json': JSON.stringify(index) }), { name });
}

test('what an image leads to stays', async () => {
  const before = await box.contents();
  expect(before.images).toEqual(['docker.io/library/first:1', 'docker.io/library/second:1']);
  expect(before.snapshots).toHaveLength(3);
  expect(await box.store.images.prune()).toMatchObject({ blobs: [], snapshots: [], ingests: [], bytes: 0 });
  expect(await box.contents()).toEqual(before);
});

test('of an image that is removed goes what no other shares', async () => {
  await box.store.images.remove('first:1');
  const collected = await box.store.images.prune();
  expect(collected).toMatchObject({ blobs: { length: 3 }, snapshots: { length: 1 } });
  const [second] = await box.store.images.list();
  expect(await second!.check()).toMatchObject({ isComplete: true });
  await box.store.images.remove('second:1');
  await box.store.images.prune();
  expect(await box.contents()).toEqual(EMPTY);
});

test('another name of it keeps it whole', async () => {
  await box.store.images.tag('first:1', 'other/name');
  await box.store.images.remove('first:1');
  await box.store.images.prune();
  expect((await (await box.store.images.get('other/name')).check()).isComplete).toBe(true);
});

test('a snapshot upon its layers keeps those, and goes after them', async () => {
  const { layers } = await (await box.store.images.get('first:1')).contents();
  const [base, top] = layers.map(({ chainID }) => chainID);
  await box.store.snapshots.prepare('container', { parent: top });
  await box.store.images.remove('first:1');
  expect((await box.store.images.prune()).snapshots).toEqual([]);
  await box.store.snapshots.remove('container');
  expect((await box.store.images.prune()).snapshots).toEqual([top]);
  expect((await box.contents()).snapshots).toContain(base);
});

test('a snapshot that no pull made stays, and all below it', async () => {
  const { layers } = await (await box.store.images.get('first:1')).contents();
  await unpackSnapshot(box.store.snapshots, tar(file('mine', '')), {
    name: 'mine',
    parent: layers[1]!.chainID,
  });
  for (const name of ['first:1', 'second:1']) await box.store.images.remove(name);
  await box.store.images.prune();
  const names = [...layers.map(({ chainID }) => chainID), 'mine'].sort();
  expect((await box.contents()).snapshots).toEqual(names);
});

test('what a lease holds stays until it is deleted', async () => {
  const { leases } = box.store.content;
  const { layers } = await (await box.store.images.get('first:1')).contents();
  const { id } = await leases.create();
  await leases.add(id, { type: 'snapshot', id: layers[1]!.chainID });
  await leases.add(id, { type: 'content', id: layers[1]!.descriptor.digest });
  for (const name of ['first:1', 'second:1']) await box.store.images.remove(name);
  await box.store.images.prune();
  expect(await box.contents()).toMatchObject({
    snapshots: layers.map(({ chainID }) => chainID).sort(),
    blobs: [layers[1]!.descriptor.digest],
  });
  await leases.delete(id);
  await box.store.images.prune();
  expect(await box.contents()).toEqual(EMPTY);
});

test('an image that is not there can neither be asked for, tagged nor removed', async () => {
  for (const attempt of [
    box.store.images.get('none'),
    box.store.images.tag('none', 'other'),
    box.store.images.remove('none'),
  ])
    expect((await failureOf(attempt)).code).toBe('NotFound');
});

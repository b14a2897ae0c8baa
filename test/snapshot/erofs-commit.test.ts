import { readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { diffSnapshot, openSnapshotter, type Snapshotter } from '../../src/index.js';
import { unpackSnapshot } from '../../src/snapshot/index.js';
import { file, tar } from '../helpers/tar-builder.js';
import { inShell } from '../helpers/two-trees.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

// Commits of changes on the backend erofs.

let root: string;
let snapshots: Snapshotter;

beforeEach(async () => {
  root = join(makeWorkDirectory(), 'root');
  snapshots = await openSnapshotter({ root, backend: 'erofs' });
});

afterEach(() => snapshots.close());

/** An active snapshot on a committed one. @returns its upperdir */
async function prepareOnBase(key: string): Promise<string> {
  await unpackSnapshot(snapshots, tar(file('a', 'text')), { name: 'base' });
  await snapshots.prepare(key, { parent: 'base' });
  return join(root, 'snapshots/2/fs');
}

const read = (name: string) => buffer(diffSnapshot(snapshots, name, { compression: 'none' }));

test('a committed snapshot keeps its layer file and its record only', async () => {
  const [mount] = await snapshots.prepare('key');
  writeFileSync(join(mount!.source, 'written'), 'text');
  await snapshots.commit('key', { name: 'name' });
  await snapshots.close();
  expect(readdirSync(join(root, 'snapshots/1')).sort()).toEqual(['layer.erofs', 'record']);
});

test('a tree of 1,000 levels is committed, read, and shown in a merged view', async () => {
  const upper = await prepareOnBase('key');
  inShell(
    upper,
    `python3 -c 'import os; [(os.mkdir("d"), os.chdir("d")) for _ in range(1000)]; open("f", "w").write("text")'`,
  );
  const diff = await read('key');
  await snapshots.commit('key', { name: 'deep' });
  expect((await read('deep')).equals(diff)).toBe(true);
  const [view] = await snapshots.view('view', { parent: 'deep' });
  expect(view!.source).toContain('merged.erofs');
  const { findings } = await snapshots.check();
  expect(findings).toEqual([]);
});

test('a path that no layer can have is refused with its reason, and the snapshot stays', async () => {
  const upper = await prepareOnBase('key');
  const name = 'x'.repeat(250);
  const deep = `import os; [(os.mkdir(${JSON.stringify(name)}), os.chdir(${JSON.stringify(name)})) for _ in range(17)]`;
  inShell(upper, `python3 -c '${deep}'`);
  await expect(snapshots.commit('key', { name: 'name' })).rejects.toMatchObject({
    code: 'ResourceExhausted',
    option: 'maxPathLength',
    entry: expect.stringContaining(`/${name}/`),
    hint: expect.stringContaining('the backend overlay commits it'),
  });
  inShell(upper, `rm -r ${name}`);
  await snapshots.commit('key', { name: 'name' });
});

test('a snapshot is removed while the commit still removes its tree', async () => {
  for (const key of ['one', 'two', 'three']) {
    const [mount] = await snapshots.prepare(key);
    for (let index = 0; index < 300; index++) writeFileSync(join(mount!.source, `${key}-${index}`), 'text');
    await snapshots.commit(key, { name: `${key} committed` });
    await snapshots.remove(`${key} committed`);
  }
  await snapshots.close();
  expect(readdirSync(join(root, 'snapshots'))).toEqual([]);
  expect(readdirSync(join(root, 'layers'))).toEqual([]);
});

test('a change of many names and of many zeros is committed as a small one', async () => {
  const upper = await prepareOnBase('key');
  for (let index = 0; index < 2000; index++) writeFileSync(join(upper, `file-${index}`), 'text');
  truncateSync(join(upper, 'file-0'), 16 * 1024 ** 2);
  const diff = await read('key');
  await snapshots.commit('key', { name: 'name' });
  expect((await read('name')).equals(diff)).toBe(true);
  await snapshots.close();
  expect(readdirSync(join(root, 'snapshots/2')).sort()).toEqual(['layer.erofs', 'record']);
});

import {
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type BackendSnapshot, openSnapshotter, type Snapshotter } from '../../src/index.js';
import { NativeBackend } from '../../src/snapshot/backends/native-backend.js';
import { DirectoryPlace } from '../../src/snapshot/fill/fill-place.js';
import { LayerFill } from '../../src/snapshot/fill/layer-fill.js';
import { sealed } from '../../src/snapshot/fill/seal.js';
import { readRecordFile } from '../../src/snapshot/store/snapshot-files.js';
import { failureOf } from '../helpers/sandbox.js';
import { file, tar } from '../helpers/tar-builder.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

/** Shows what is there at the moment of the sync, and can be made to fail then. */
class Watched extends NativeBackend {
  seen: string[] = [];
  refuses = false;

  override async sync(snapshot: BackendSnapshot): Promise<void> {
    const record = await readRecordFile(snapshot.directory);
    if (typeof record !== 'string') this.seen.push(`${record.kind} ${record.name}`);
    this.seen.push(readFileSync(join(snapshot.directory, 'record.new'), 'utf8').slice(0, -10));
    if (this.refuses) throw new Error('no');
    await super.sync(snapshot);
  }
}

let root: string;
let backend: Watched;
let snapshots: Snapshotter;
beforeEach(async () => {
  root = makeWorkDirectory();
  backend = new Watched();
  snapshots = await openSnapshotter({ root, backend });
});
afterEach(async () => {
  await snapshots.close();
  rmSync(root, { recursive: true });
});

test('the record file is brought to the disk with the contents, and seen only after', async () => {
  await snapshots.prepare('key');
  await snapshots.commit('key', { name: 'name' });
  const [before, staged] = backend.seen;
  expect(before).toBe('active key');
  expect(JSON.parse(staged!)).toMatchObject({ kind: 'committed', name: 'name' });
  expect(await readRecordFile(join(root, 'snapshots/1'))).toMatchObject({ kind: 'committed', name: 'name' });
  expect(readdirSync(join(root, 'snapshots/1')).sort()).toEqual(['fs', 'manifest', 'record']);
});

test('a commit that fails leaves the record file that was there, and nothing beside it', async () => {
  await snapshots.prepare('key');
  backend.refuses = true;
  await expect(snapshots.commit('key', { name: 'name' })).rejects.toThrow('no');
  expect(await readRecordFile(join(root, 'snapshots/1'))).toMatchObject({ kind: 'active', name: 'key' });
  expect(readdirSync(join(root, 'snapshots/1')).sort()).toEqual(['fs', 'record']);
  backend.refuses = false;
  expect(await snapshots.commit('key', { name: 'name' })).toMatchObject({ kind: 'committed' });
  expect(await failureOf(snapshots.mounts('key'))).toMatchObject({ code: 'NotFound' });
});

test('what was written after the layer, before the commit, is counted and in the manifest', async () => {
  const [mount] = await snapshots.prepare('key');
  const layer = tar(file('a', 'text'));
  const snapshot = { backend: snapshots.backend, directory: dirname(mount!.source) };
  using fill = LayerFill.begin(new DirectoryPlace({ destination: mount!.source }), {
    snapshot,
    temporary: true,
  });
  await fill.apply(layer, { sync: false });
  const { usage } = (await fill.seal()).described!;
  writeFileSync(join(mount!.source, 'b'), Buffer.alloc(100_000, 'b'));
  await snapshots.commit('key', { name: 'name' });
  const { bytes, inodes } = await snapshots.usage('name');
  expect(inodes).toBe(usage!.inodes + 1);
  expect(bytes).toBeGreaterThanOrEqual(usage!.bytes + 100_000);
  expect(await snapshots.check()).toMatchObject({ findings: [], unverified: [] });
});

test('options that are used again do not describe the next snapshot', async () => {
  const options = sealed({ name: 'layer' }, { described: { usage: { bytes: 1e9, inodes: 9 } } });
  await snapshots.prepare('first');
  await snapshots.commit('first', options);
  await snapshots.remove('layer');
  const [mount] = await snapshots.prepare('second');
  writeFileSync(join(mount!.source, 'file'), 'text');
  await snapshots.commit('second', options);
  expect((await snapshots.usage('layer')).bytes).toBeLessThan(1e9);
  expect(await snapshots.check()).toMatchObject({ unverified: [] });
});

test('what no layer has brought has a manifest too: check finds what is lost of it', async () => {
  const [mount] = await snapshots.prepare('key');
  writeFileSync(join(mount!.source, 'a'), 'text');
  writeFileSync(join(mount!.source, 'b'), 'text');
  await snapshots.commit('key', { name: 'name' });
  const { atime, mtime } = statSync(join(mount!.source, 'a'));
  writeFileSync(join(mount!.source, 'a'), 'TEXT');
  utimesSync(join(mount!.source, 'a'), atime, mtime);
  truncateSync(join(mount!.source, 'b'));
  const { findings, unverified } = await snapshots.check();
  expect(unverified).toEqual([]);
  expect(findings).toMatchObject([
    { kind: 'modified', snapshot: 'name', path: 'a' },
    { kind: 'modified', snapshot: 'name', path: 'b' },
  ]);
});

test('asked for at once it is committed once, and whole', async () => {
  await snapshots.prepare('key');
  writeFileSync(join(root, 'snapshots/1/fs/file'), Buffer.alloc(100_000, 'x'));
  const names = ['a', 'b', 'c', 'd'];
  const results = await Promise.allSettled(names.map((name) => snapshots.commit('key', { name })));
  const done = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.name] : []));
  expect(done).toHaveLength(1);
  expect(backend.seen.filter((seen) => seen === 'active key')).toHaveLength(1);
  expect(await readRecordFile(join(root, 'snapshots/1'))).toMatchObject({ kind: 'committed', name: done[0] });
  expect(await snapshots.check()).toMatchObject({ findings: [], unverified: [] });
});

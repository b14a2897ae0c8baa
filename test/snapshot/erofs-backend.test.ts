import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { diffSnapshot, type Mount, openSnapshotter, type Snapshotter } from '../../src/index.js';
import { LayerFile } from '../../src/layer/erofs/layer-file.js';
import { readErofsLayer } from '../../src/layer/index.js';
import { ErofsPlace } from '../../src/snapshot/contents/erofs-place.js';
import { LayerFill } from '../../src/snapshot/fill/layer-fill.js';
import { unpackSnapshot } from '../../src/snapshot/index.js';
import { decode } from '../helpers/decode.js';
import { failureOf } from '../helpers/sandbox.js';
import { dir, file, tar } from '../helpers/tar-builder.js';
import { inShell } from '../helpers/two-trees.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { setXattr } from '../helpers/xattrs.js';

let root: string;
let snapshots: Snapshotter;

beforeEach(async () => {
  root = join(makeWorkDirectory(), 'root');
  snapshots = await openSnapshotter({ root, backend: 'erofs' });
});

afterEach(() => snapshots.close());

/** The values of the options of a snapshot's overlay mount. */
function optionsOf(mounts: readonly Mount[]): Readonly<Record<string, string>> {
  return Object.fromEntries(mounts.at(-1)!.options.map((option) => option.split('=')));
}

/** Names of the entries in a snapshot's layer. */
async function namesIn(name: string): Promise<readonly string[]> {
  const layer = await buffer(diffSnapshot(snapshots, name, { compression: 'none' }));
  return decode(layer).map(({ path }) => path);
}

const layer = tar(dir('d'), file('d/a', 'text'));
const inode = (path: string) => statSync(join(root, path)).ino;
const shared = () => readdirSync(join(root, 'layers'));

test('two chains with a layer share its file, and the last removal frees it', async () => {
  await unpackSnapshot(snapshots, layer, { name: 'one' });
  await unpackSnapshot(snapshots, tar(file('below', '')), { name: 'below' });
  await unpackSnapshot(snapshots, layer, { name: 'two', parent: 'below' });
  expect(inode('snapshots/1/layer.erofs')).toBe(inode('snapshots/3/layer.erofs'));
  await snapshots.remove('one');
  expect(shared()).toHaveLength(2);
  await snapshots.remove('two');
  expect(shared()).toHaveLength(1);
});

test('the space of removed layers is free when the store is closed', async () => {
  const contents = ['one', 'two'].map((text) => tar(file('large', text.repeat(100_000))));
  for (const [index, content] of contents.entries())
    await unpackSnapshot(snapshots, content, { name: String(index) });
  await Promise.all(contents.map((_, index) => snapshots.remove(String(index))));
  expect(readdirSync(join(root, 'snapshots'))).toEqual([]);
  await snapshots.close();
  const open = readdirSync('/proc/self/fd').map((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`);
    } catch {
      return '';
    }
  });
  expect(open.filter((path) => path.startsWith(root))).toEqual([]);
});

test('a layer that another chain has is not read', async () => {
  const { layer: read } = await unpackSnapshot(snapshots, layer, { name: 'one' });
  const diffID = read!.diffID!;
  await unpackSnapshot(snapshots, tar(file('below', '')), { name: 'below' });
  const second = await unpackSnapshot(snapshots, layer, { name: 'two', parent: 'below', diffID });
  expect(second.layer).toBeUndefined();
  expect(await snapshots.check()).toMatchObject({ findings: [], unverified: [] });
});

test('a directory of kept mounts whose file is gone is found, and a cleanup removes it', async () => {
  await unpackSnapshot(snapshots, layer, { name: 'one' });
  const { dev, ino } = statSync(join(root, 'snapshots/1/layer.erofs'));
  const [used, unused] = [`${dev}-${ino}`, `${dev}-4000000000`];
  for (const name of [used, unused]) mkdirSync(join(root, 'mounted', name), { recursive: true });
  const { findings } = await snapshots.check();
  expect(findings).toMatchObject([{ kind: 'stale-mount', path: join(root, 'mounted', unused) }]);
  await snapshots.cleanup();
  expect((await snapshots.check()).findings).toEqual([]);
});

for (const [what, put] of [
  ['is cut off', (path: string) => truncateSync(path, 1500)],
  ['is no layer file', (path: string) => writeFileSync(path, 'text')],
  ['is another layer', (path: string, other: string) => copyFileSync(other, path)],
] as const)
  test(`a file of the pool that ${what} gets into no snapshot`, async () => {
    const { layer: read } = await unpackSnapshot(snapshots, layer, { name: 'one' });
    const diffID = read!.diffID!;
    await unpackSnapshot(snapshots, tar(file('other', '')), { name: 'other' });
    const pooled = join(root, 'layers', `${diffID.slice('sha256:'.length)}.erofs`);
    await snapshots.remove('one');
    copyFileSync(join(root, 'snapshots/2/layer.erofs'), pooled);
    put(pooled, join(root, 'snapshots/2/layer.erofs'));
    await unpackSnapshot(snapshots, layer, { name: 'read', diffID });
    await unpackSnapshot(snapshots, layer, { name: 'shared', parent: 'other', diffID });
    expect(readErofsLayer(join(root, 'snapshots/3/layer.erofs')).diffID).toBe(diffID);
    expect(inode('snapshots/3/layer.erofs')).toBe(inode('snapshots/4/layer.erofs'));
    expect(statSync(pooled).ino).toBe(inode('snapshots/3/layer.erofs'));
  });

test('a damaged file of the pool does not replace a layer that was just unpacked', async () => {
  const { layer: read } = await unpackSnapshot(snapshots, layer, { name: 'one' });
  const pooled = join(root, 'layers', `${read!.diffID!.slice('sha256:'.length)}.erofs`);
  const sound = readFileSync(pooled);
  const damaged = Buffer.from(sound);
  damaged[damaged.indexOf('text')]! ^= 1;
  writeFileSync(pooled, damaged);
  await unpackSnapshot(snapshots, tar(file('below', '')), { name: 'below' });
  await unpackSnapshot(snapshots, layer, { name: 'two', parent: 'below' });
  expect(readFileSync(join(root, 'snapshots/3/layer.erofs'))).toEqual(sound);
  expect(statSync(pooled).ino).toBe(inode('snapshots/3/layer.erofs'));
  expect(readdirSync(join(root, 'snapshots/3'))).not.toContain('layer.erofs.shared');
  const { findings } = await snapshots.check({ repair: () => undefined });
  expect(findings).toMatchObject([{ snapshot: 'one', outcome: 'repaired' }]);
  expect(inode('snapshots/1/layer.erofs')).toBe(inode('snapshots/3/layer.erofs'));
});

test('a layer file that can not get its name is an error that names it', async () => {
  await snapshots.prepare('key');
  const directory = join(root, 'snapshots/1');
  mkdirSync(join(directory, 'layer.erofs/obstacle'), { recursive: true });
  const place = new ErofsPlace(directory, { hasLowers: false });
  await place.write(layer, { temporary: true, isSealed: true });
  const error = await failureOf(place.finish());
  expect(error.message).toContain(`"${directory}/layer.erofs"`);
});

test('a snapshot takes one layer', async () => {
  await snapshots.prepare('key');
  const directory = join(root, 'snapshots/1');
  const place = new ErofsPlace(directory, { hasLowers: false });
  await place.write(layer, { temporary: true, isSealed: true });
  await place.finish();
  const error = await failureOf(place.write(layer, { temporary: true, isSealed: true }));
  expect(error).toMatchObject({ code: 'FailedPrecondition' });
  expect(error.message).toContain(`"${directory}"`);
  expect(readdirSync(directory).sort()).toEqual(['layer.erofs', 'record', 'work']);
});

test('a layer file waits for its flush beside the tree of the snapshot', async () => {
  await snapshots.prepare('key');
  const directory = join(root, 'snapshots/1');
  const place = new ErofsPlace(directory, { hasLowers: false });
  using fill = LayerFill.begin(place, {
    snapshot: { backend: snapshots.backend, directory },
    temporary: true,
  });
  await fill.apply(layer, {});
  expect(readdirSync(directory).sort()).toEqual(['filled.erofs', 'fs', 'record', 'work']);
  const { described } = await fill.seal();
  expect(readdirSync(directory).sort()).toEqual(['layer.erofs', 'record', 'work']);
  expect(described).toEqual({ usage: await snapshots.usage('key') });
});

test('a layer that depends on its chain is not shared', async () => {
  await unpackSnapshot(snapshots, tar(dir('d', { mode: 0o700 })), { name: 'below' });
  await unpackSnapshot(snapshots, tar(file('d/b', '')), { name: 'above', parent: 'below' });
  expect(readErofsLayer(join(root, 'snapshots/2/layer.erofs')).dependsOnLowers).toBe(true);
  expect(shared()).toHaveLength(1);
});

test('a layer that depends on its chain has the root of the nearest layer that lists it', async () => {
  const base = tar(dir('./', { mode: 0o711, uid: 1, gid: 2 }), dir('d'));
  const layers = [base, tar(file('other', '')), tar(file('d/b', ''))];
  for (const [at, each] of layers.entries())
    await unpackSnapshot(snapshots, each, { name: `${at}`, parent: at === 0 ? undefined : `${at - 1}` });
  using top = new LayerFile(join(root, 'snapshots/3/layer.erofs'));
  expect(top.head.dependsOnLowers).toBe(true);
  expect(top.image.root).toMatchObject({ mode: 0o711, uid: 1, gid: 2 });
});

test('damage of the directory data is repaired from the tar in the file', async () => {
  await unpackSnapshot(snapshots, layer, { name: 'one' });
  const path = join(root, 'snapshots/1/layer.erofs');
  const whole = readFileSync(path);
  const damaged = Buffer.from(whole);
  damaged[damaged.length - 100]! ^= 1;
  writeFileSync(path, damaged);
  expect((await snapshots.check()).findings).toMatchObject([{ kind: 'layer-file', path, snapshot: 'one' }]);
  const { findings } = await snapshots.check({ repair: () => undefined });
  expect(findings).toMatchObject([{ outcome: 'repaired' }]);
  expect(readFileSync(path)).toEqual(whole);
  expect(inode(`layers/${shared()[0]}`)).toBe(inode('snapshots/1/layer.erofs'));
});

test.each([
  ['magic bytes of the head', 5, 'found'],
  ['magic bytes of the superblock', 1024, 'repaired'],
  ['feature bits of the superblock', 1024 + 0x50, 'repaired'],
])('damaged %s are a finding', async (_, offset, outcome) => {
  await unpackSnapshot(snapshots, layer, { name: 'one' });
  const path = join(root, 'snapshots/1/layer.erofs');
  const whole = readFileSync(path);
  const damaged = Buffer.from(whole);
  damaged[offset]! ^= 0xff;
  writeFileSync(path, damaged);
  expect((await snapshots.check()).findings).toMatchObject([{ kind: 'layer-file', path, snapshot: 'one' }]);
  const { findings } = await snapshots.check({ repair: () => undefined });
  expect(findings).toMatchObject([{ outcome }]);
  expect(readFileSync(path)).toEqual(outcome === 'repaired' ? whole : damaged);
});

test('a lost layer file that no other file has needs the layer', async () => {
  await unpackSnapshot(snapshots, layer, { name: 'one' });
  rmSync(join(root, 'snapshots/1/layer.erofs'));
  rmSync(join(root, 'layers'), { recursive: true });
  const lost = { kind: 'missing-directory', outcome: 'found' };
  expect((await snapshots.check({ repair: () => undefined })).findings).toMatchObject([lost]);
  expect((await snapshots.check({ repair: () => layer })).findings).toMatchObject([{ outcome: 'repaired' }]);
  expect(await snapshots.check()).toMatchObject({ findings: [] });
});

test.each([
  ['the pool', () => rmSync(join(root, 'snapshots/2'), { recursive: true })],
  ['another snapshot', () => rmSync(join(root, 'layers'), { recursive: true })],
])('a lost layer file is made again from %s', async (_, lose) => {
  const { layer: read } = await unpackSnapshot(snapshots, layer, { name: 'other' });
  await unpackSnapshot(snapshots, tar(file('below', '')), { name: 'below' });
  const { diffID } = read!;
  await unpackSnapshot(snapshots, layer, { name: 'lost', parent: 'below', diffID });
  lose();
  rmSync(join(root, 'snapshots/3/layer.erofs'));
  const { findings } = await snapshots.check({ repair: () => undefined });
  expect(findings.find(({ snapshot }) => snapshot === 'lost')).toMatchObject({ outcome: 'repaired' });
  expect(readErofsLayer(join(root, 'snapshots/3/layer.erofs')).diffID).toBe(diffID);
  expect(inode(`layers/${diffID!.slice('sha256:'.length)}.erofs`)).toBe(inode('snapshots/3/layer.erofs'));
});

test('damage of the tar needs the layer', async () => {
  await unpackSnapshot(snapshots, layer, { name: 'one' });
  const path = join(root, 'snapshots/1/layer.erofs');
  const damaged = readFileSync(path);
  damaged[damaged.indexOf('text')]! ^= 1;
  writeFileSync(path, damaged);
  expect((await snapshots.check({ repair: () => undefined })).findings).toMatchObject([{ outcome: 'found' }]);
  expect((await snapshots.check({ repair: () => layer })).findings).toMatchObject([{ outcome: 'repaired' }]);
  expect(await snapshots.check()).toMatchObject({ findings: [] });
});

test('many commits at once do not wait for each other for ever', async () => {
  const keys = Array.from({ length: 6 }, (_, number) => `key ${number}`);
  for (const key of keys) await snapshots.prepare(key);
  await Promise.all(keys.map((key) => snapshots.commit(key, { name: `${key}, committed` })));
  expect(existsSync(join(root, 'snapshots/6/layer.erofs'))).toBe(true);
});

test.for([
  ['redirect', 'd', '/below'],
  ['metacopy', 'd/f', ''],
] as const)('a commit refuses an upperdir with the mark %s', async ([mark, entry, value]) => {
  await unpackSnapshot(snapshots, tar(dir('d'), file('d/f', 'lower')), { name: 'below' });
  await snapshots.prepare('key', { parent: 'below' });
  const upper = join(root, 'snapshots/2/fs');
  inShell(upper, 'mkdir d; touch d/f');
  setXattr(join(upper, entry), `trusted.overlay.${mark}`, value);
  const commit = snapshots.commit('key', { name: 'name' });
  await expect(commit).rejects.toMatchObject({ code: 'Unimplemented', entry });
  expect(readdirSync(join(root, 'snapshots/2'))).not.toContain('layer.erofs');
  expect(await snapshots.stat('key')).toMatchObject({ kind: 'active' });
});

test('a socket that hides a lower file hides it in the committed layer too', async () => {
  await unpackSnapshot(snapshots, tar(dir('d'), file('d/f', 'lower')), { name: 'below' });
  await snapshots.prepare('key', { parent: 'below' });
  const upper = join(root, 'snapshots/2/fs');
  inShell(upper, `mkdir d; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("d/f")'`);
  await snapshots.commit('key', { name: 'name' });
  expect(await namesIn('name')).toEqual(['./', 'd/', 'd/.wh.f']);
});

test('a socket leaves no whiteout where no lower layer has its name', async () => {
  await unpackSnapshot(snapshots, tar(dir('d'), dir('o'), file('o/f', 'lower')), { name: 'below' });
  await snapshots.prepare('key', { parent: 'below' });
  const upper = join(root, 'snapshots/2/fs');
  const bind = (path: string) => `python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("${path}")'`;
  inShell(upper, `mkdir -p d o/p; setfattr -n trusted.overlay.opaque -v y o`);
  inShell(upper, `${bind('d/f')}; ${bind('o/f')}; ${bind('o/p/f')}`);
  await snapshots.commit('key', { name: 'name' });
  expect(await namesIn('name')).toEqual(['./', 'd/', 'o/', 'o/.wh..wh..opq', 'o/p/']);
});

test('holes and long runs of zeros take no space in the layer file', async () => {
  const size = 100_000_000;
  await snapshots.prepare('key');
  const upper = join(root, 'snapshots/1/fs');
  writeFileSync(join(upper, 'sparse'), 'text');
  truncateSync(join(upper, 'sparse'), size);
  writeFileSync(join(upper, 'zeros'), Buffer.alloc(10_000_000));
  await snapshots.commit('key', { name: 'committed' });
  expect((await snapshots.usage('committed')).bytes).toBeLessThan(1_000_000);
  const whole = Buffer.alloc(size);
  whole.write('text');
  const unpacked = await unpackSnapshot(
    snapshots,
    tar(file('sparse', whole), file('zeros', Buffer.alloc(10_000_000))),
    { name: 'unpacked' },
  );
  expect(unpacked.layer?.size).toBeGreaterThan(size);
  expect((await snapshots.usage('unpacked')).bytes).toBeLessThan(1_000_000);
  expect(await snapshots.check()).toMatchObject({ findings: [] });
});

test('a tree that looks like an archive of images is committed', async () => {
  await snapshots.prepare('key');
  for (const name of ['oci-layout', 'index.json']) writeFileSync(join(root, 'snapshots/1/fs', name), '{}');
  await snapshots.commit('key', { name: 'name' });
  expect(await namesIn('name')).toEqual(['./', 'index.json', 'oci-layout']);
});

test('a commit without changes is the empty archive', async () => {
  await unpackSnapshot(snapshots, tar(dir('./', { mode: 0o711 }), dir('d')), { name: 'below' });
  for (const [key, parent, name] of [
    ['one', 'below', 'first'],
    ['two', 'first', 'second'],
  ] as const) {
    await snapshots.prepare(key, { parent });
    await snapshots.commit(key, { name });
    expect(await namesIn(name)).toEqual([]);
  }
  await snapshots.prepare('changed', { parent: 'second' });
  chmodSync(optionsOf(await snapshots.mounts('changed')).upperdir!, 0o700);
  await snapshots.commit('changed', { name: 'other root' });
  expect(await namesIn('other root')).toEqual(['./']);
  expect(shared()).toHaveLength(3);
  const [empty] = shared().filter((name) => name.startsWith('5f70bf18'));
  expect(statSync(join(root, 'layers', empty!)).nlink).toBe(3);
  const { upperdir } = optionsOf(await snapshots.prepare('three', { parent: 'second' }));
  expect(statSync(upperdir!).mode & 0o777).toBe(0o711);
});

describe('after a crash', () => {
  const at = (...names: string[]) => join(root, 'snapshots/2', ...names);

  /** An active snapshot as it is when a fill has written its layer. */
  async function fillUpTo(step: 'layer written' | 'tree removed'): Promise<void> {
    await unpackSnapshot(snapshots, layer, { name: 'one' });
    await snapshots.prepare('key');
    linkSync(join(root, 'snapshots/1/layer.erofs'), at('filled.erofs'));
    if (step === 'tree removed') rmSync(at('fs'), { recursive: true });
  }

  test('a fill that ended before the rename of its layer file can be measured and committed', async () => {
    await fillUpTo('tree removed');
    expect((await snapshots.check()).findings).toEqual([]);
    expect((await snapshots.usage('key')).bytes).toBeGreaterThan(0);
    await snapshots.commit('key', { name: 'two' });
    await snapshots.close();
    expect(readdirSync(at()).sort()).toEqual(['layer.erofs', 'record']);
    expect(inode('snapshots/2/layer.erofs')).toBe(inode('snapshots/1/layer.erofs'));
  });

  test('a fill that ended before the removal of the tree can be repeated', async () => {
    await fillUpTo('layer written');
    const place = new ErofsPlace(at(), { hasLowers: false });
    await place.write(layer, { temporary: true, isSealed: true });
    await place.finish();
    expect(readdirSync(at()).sort()).toEqual(['layer.erofs', 'record', 'work']);
  });

  test('a cleanup finishes what a commit did not remove or share', async () => {
    await unpackSnapshot(snapshots, layer, { name: 'one' });
    await unpackSnapshot(snapshots, tar(file('below', '')), { name: 'below' });
    mkdirSync(at('work'));
    linkSync(at('layer.erofs'), at('layer.erofs.shared'));
    await snapshots.cleanup();
    expect(readdirSync(at()).sort()).toEqual(['layer.erofs', 'record']);
    await snapshots.remove('below');
    expect(shared()).toHaveLength(1);
  });
});

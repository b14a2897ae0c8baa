import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type Digest,
  openSnapshotter,
  type SnapshotBackend,
  type SnapshotInfo,
  type Snapshotter,
  unpackSnapshot,
} from '../../src/index.js';
import { NativeBackend } from '../../src/snapshot/backends/native-backend.js';
import { OverlayBackend } from '../../src/snapshot/backends/overlay-backend.js';
import { BACKENDS, layerIn, makeBackend, TREE_BACKENDS } from '../helpers/backends.js';
import { OVERLAY_SUPPORT } from '../helpers/overlay-support.js';
import { failureOf } from '../helpers/sandbox.js';
import { dir, file, hardlink, symlink, tar, whiteout } from '../helpers/tar-builder.js';
import { sha256 } from '../helpers/tree.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const BASE = tar(dir('etc'), file('etc/base', 'base'));
const NEXT = tar(file('etc/next', 'next'), whiteout('etc/base'));
const DIFF_ID: Digest = `sha256:${sha256(BASE)}`;
const OTHER: Digest = `sha256:${sha256('other')}`;

let root: string;
let snapshots: Snapshotter;
const open = async (backend: SnapshotBackend) => {
  snapshots = await openSnapshotter({ root, backend });
};
beforeEach(() => {
  root = makeWorkDirectory();
});
afterEach(async () => {
  await snapshots.close();
  rmSync(root, { recursive: true });
});

const at = (...names: string[]) => join(root, 'snapshots', ...names);

async function infos(): Promise<SnapshotInfo[]> {
  const all: SnapshotInfo[] = [];
  for await (const info of snapshots.walk()) all.push(info);
  return all;
}

function diskUsage(directory: string): number {
  return Number(
    /^\d+/.exec(execFileSync('du', ['-s', '--block-size=1', directory], { encoding: 'utf8' }))![0],
  );
}

const mapping = (map: string) => ({
  'containerd.io/snapshot/uidmapping': map,
  'containerd.io/snapshot/gidmapping': map,
});

/** A layer that can tell whether anybody wants it. */
function watched(bytes: Uint8Array): Readable & { readonly wanted: () => boolean } {
  let wanted = false;
  const stream = new Readable({
    read() {
      wanted = true;
      this.push(bytes);
      this.push(null);
    },
  });
  return Object.assign(stream, { wanted: () => wanted });
}

describe.each(BACKENDS)('%s', (backend) => {
  beforeEach(() => open(makeBackend(backend, root)));

  test('a layer becomes a committed snapshot, and says what it is', async () => {
    const { snapshot, layer } = await unpackSnapshot(snapshots, BASE, { name: 'base', labels: { a: 'b' } });
    expect(snapshot).toMatchObject({ name: 'base', kind: 'committed', parent: undefined });
    expect(snapshot.labels).toEqual({
      a: 'b',
      'containerd.io/snapshot.ref': 'base',
      'containerd.io/snapshot/diff-id': DIFF_ID,
      'containerd.io/uncompressed': DIFF_ID,
    });
    expect(layer).toMatchObject({ diffID: DIFF_ID, entries: 2 });
    expect(await infos()).toEqual([snapshot]);
    expect(await snapshots.usage('base')).toMatchObject({ inodes: 3 });
  });

  test('what it takes is what du counts, a hard link once', async () => {
    const layer = tar(
      dir('d'),
      file('d/a', Buffer.alloc(20_000, 'a')),
      hardlink('b', 'd/a'),
      symlink('s', 'b'),
    );
    await unpackSnapshot(snapshots, layer, { name: 'base' });
    expect(await snapshots.usage('base')).toEqual({ bytes: diskUsage(at('1', layerIn(backend))), inodes: 4 });
    await unpackSnapshot(snapshots, tar(file('d/a', 'x'), hardlink('c', 'b')), { name: 'n', parent: 'base' });
    expect((await snapshots.usage('n')).bytes).toBe(diskUsage(at('2', layerIn(backend))));
  });

  test('one upon it knows its parent', async () => {
    await unpackSnapshot(snapshots, BASE, { name: 'base' });
    const { snapshot } = await unpackSnapshot(snapshots, NEXT, { name: 'next', parent: 'base' });
    expect(snapshot.parent).toBe('base');
    expect(snapshot.labels).toMatchObject({ 'containerd.io/snapshot/parent-chain-id': 'base' });
  });

  test('what is there is not unpacked again, and its source let go', async () => {
    const { snapshot } = await unpackSnapshot(snapshots, BASE, { name: 'base' });
    const source = watched(BASE);
    const again = await unpackSnapshot(snapshots, source, { name: 'base', diffID: DIFF_ID });
    expect(again).toEqual({ snapshot, layer: undefined });
    expect(source.wanted()).toBe(false);
    expect(source.destroyed).toBe(true);
  });

  test('asked for many times at once it is unpacked once', async () => {
    const other = await openSnapshotter({ root, backend: makeBackend(backend, root) });
    const sources = Array.from({ length: 8 }, () => watched(BASE));
    const results = await Promise.all(
      sources.map((source, index) =>
        unpackSnapshot(index % 2 === 0 ? snapshots : other, source, { name: 'base' }),
      ),
    );
    await other.close();
    expect(results.filter(({ layer }) => layer !== undefined)).toHaveLength(1);
    expect(sources.filter((source) => source.wanted())).toHaveLength(1);
    expect(new Set(results.map(({ snapshot }) => JSON.stringify(snapshot))).size).toBe(1);
    expect(readdirSync(at())).toHaveLength(1);
  });

  test('whoever waits unpacks it when the first one fails', async () => {
    const [first, second] = await Promise.allSettled([
      unpackSnapshot(snapshots, NEXT, { name: 'base', diffID: DIFF_ID }),
      unpackSnapshot(snapshots, BASE, { name: 'base', diffID: DIFF_ID }),
    ]);
    expect(first).toMatchObject({ status: 'rejected', reason: { code: 'DataLoss' } });
    expect(second).toMatchObject({ status: 'fulfilled', value: { layer: { diffID: DIFF_ID } } });
  });

  test.each<[what: string, source: Uint8Array, digest: Digest | undefined, code: string]>([
    ['another digest', NEXT, OTHER, 'DataLoss'],
    ['a cut archive', NEXT.subarray(0, 700), undefined, 'DataLoss'],
    ['no archive', Buffer.alloc(1024, 'x'), undefined, 'InvalidArgument'],
  ])('%s leaves nothing behind', async (_, source, digest, code) => {
    await unpackSnapshot(snapshots, BASE, { name: 'base' });
    const before = readdirSync(at());
    const error = await failureOf(unpackSnapshot(snapshots, source, { name: 'n', parent: 'base', digest }));
    expect(error.code).toBe(code);
    expect(error.hint ?? '').not.toContain('stays');
    expect((await infos()).map(({ name }) => name)).toEqual(['base']);
    expect(readdirSync(at())).toEqual(before);
  });

  test('a signal ends it, and nothing is left', async () => {
    const controller = new AbortController();
    const source = new Readable({ read: () => controller.abort(new Error('enough')) });
    const { signal } = controller;
    await expect(unpackSnapshot(snapshots, source, { name: 'base', signal })).rejects.toThrow('enough');
    expect(await infos()).toEqual([]);
    expect(readdirSync(at())).toEqual([]);
  });

  test('a signal ends the waiting for another', async () => {
    let end = () => {};
    const busy = snapshots.withLock('base', () => new Promise<void>((resolve) => (end = resolve)));
    const controller = new AbortController();
    const waiting = unpackSnapshot(snapshots, BASE, { name: 'base', signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    end();
    await busy;
  });

  test('close waits for it', async () => {
    const unpacking = unpackSnapshot(snapshots, BASE, { name: 'base' });
    await snapshots.close();
    expect((await unpacking).snapshot.kind).toBe('committed');
    expect((await failureOf(unpackSnapshot(snapshots, NEXT, { name: 'x' }))).code).toBe('FailedPrecondition');
  });

  test('a name that something else has is refused', async () => {
    await unpackSnapshot(snapshots, BASE, { name: 'base' });
    await unpackSnapshot(snapshots, NEXT, { name: 'next', parent: 'base' });
    await snapshots.prepare('active');
    const refusal = async (options: { name: string; parent?: string; diffID?: Digest }) =>
      await failureOf(unpackSnapshot(snapshots, BASE, options));
    expect(await refusal({ name: 'active' })).toMatchObject({ code: 'AlreadyExists' });
    expect((await refusal({ name: 'active' })).message).toContain('it is active');
    expect((await refusal({ name: 'next' })).message).toContain('its parent is "base"');
    expect((await refusal({ name: 'base', diffID: OTHER })).message).toContain(DIFF_ID);
  });

  test.each([
    ['no such parent', { parent: 'none' }, 'NotFound'],
    ['a name that can’t be', { name: '' }, 'InvalidArgument'],
    ['half a mapping', { labels: { 'containerd.io/snapshot/uidmapping': '0:1:1' } }, 'InvalidArgument'],
    ['ranges that overlap', { labels: mapping('0:100:10,5:200:10') }, 'InvalidArgument'],
    ['two ids that become one', { labels: mapping('0:100:10,10:105:10') }, 'InvalidArgument'],
  ])('%s', async (_, options, code) => {
    expect((await failureOf(unpackSnapshot(snapshots, BASE, { name: 'n', ...options }))).code).toBe(code);
    expect(readdirSync(at())).toEqual([]);
  });
});

describe.each(TREE_BACKENDS)('%s, owners mapped', (backend) => {
  const labels = mapping('0:5000:100');
  beforeEach(() => open(makeBackend(backend, root)));

  test('an owner that is not mapped is an error that names the entry, and nothing is left', async () => {
    const layer = tar(file('fine', 'x', { uid: 99, gid: 99 }), file('d/not', 'x', { uid: 100, gid: 5 }));
    const error = await failureOf(unpackSnapshot(snapshots, layer, { name: 'n', labels }));
    expect(error).toMatchObject({ code: 'InvalidArgument', entry: 'd/not' });
    expect(error.message).toContain('user id 100 is not mapped');
    expect(readdirSync(at())).toEqual([]);
  });

  test('whiteouts and hard links say nothing of owners', async () => {
    const base = tar(file('a', 'x', { uid: 1, gid: 2 }), file('gone'));
    await unpackSnapshot(snapshots, base, { name: 'base', labels });
    const next = tar(hardlink('b', 'a', { uid: 100, gid: 100 }), whiteout('gone'));
    await unpackSnapshot(snapshots, next, { name: 'next', parent: 'base', labels });
    expect(lstatSync(at('2/fs/b'))).toMatchObject({ uid: 5001, gid: 5002 });
  });

  test('a chain has the one mapping', async () => {
    await unpackSnapshot(snapshots, BASE, { name: 'base', labels });
    const refusal = async (options: { name: string; parent?: string; labels?: Record<string, string> }) =>
      await failureOf(unpackSnapshot(snapshots, NEXT, options));
    expect(await refusal({ name: 'next', parent: 'base' })).toMatchObject({ code: 'FailedPrecondition' });
    const other = { name: 'next', parent: 'base', labels: mapping('0:6000:100') };
    expect(await refusal(other)).toMatchObject({ code: 'FailedPrecondition' });
    expect((await refusal({ name: 'base' })).message).toContain('it maps owners in another way');
    expect((await infos()).map(({ name }) => name)).toEqual(['base']);
  });

  test('what is damaged is repaired with the owners that it had', async () => {
    const layer = tar(dir('d', { uid: 7 }), file('d/f', 'text', { uid: 8, gid: 9 }));
    await unpackSnapshot(snapshots, layer, { name: 'base', labels });
    rmSync(at('1/fs/d'), { recursive: true });
    await snapshots.check({ repair: () => layer });
    expect((await snapshots.check()).findings).toEqual([]);
    expect(lstatSync(at('1/fs/d'))).toMatchObject({ uid: 5007, gid: 5000 });
    expect(lstatSync(at('1/fs/d/f'))).toMatchObject({ uid: 5008, gid: 5009 });
  });
});

test('without a parent, an overlay snapshot keeps its whiteouts: it may get one', async () => {
  await open(new OverlayBackend(OVERLAY_SUPPORT));
  await unpackSnapshot(snapshots, NEXT, { name: 'next' });
  const hidden = lstatSync(at('1/fs/etc/base'));
  expect({ device: hidden.isCharacterDevice(), rdev: hidden.rdev }).toEqual({ device: true, rdev: 0 });
});

test('without a parent, a native snapshot has none to keep', async () => {
  await open(new NativeBackend());
  await unpackSnapshot(snapshots, NEXT, { name: 'next' });
  expect(readdirSync(at('1/fs/etc'))).toEqual(['next']);
});

test.each(['staged', 'committed'] as const)('a layer that the backend has (%s) is not read', async (how) => {
  class Supplier extends NativeBackend {
    override async create(snapshot: Parameters<NativeBackend['create']>[0]): Promise<undefined> {
      await super.create(snapshot);
      return how as unknown as undefined;
    }
  }
  await open(new Supplier());
  const source = watched(BASE);
  const { snapshot, layer } = await unpackSnapshot(snapshots, source, { name: 'base', diffID: DIFF_ID });
  expect(snapshot).toMatchObject({ name: 'base', kind: 'committed' });
  expect(layer).toBeUndefined();
  expect(source.wanted()).toBe(false);
  expect(existsSync(at('1/fs/etc'))).toBe(false);
});

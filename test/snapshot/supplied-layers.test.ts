import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  type BackendSnapshot,
  OverlayerError,
  openSnapshotter,
  type Snapshotter,
  type Supplied,
} from '../../src/index.js';
import { NativeBackend } from '../../src/snapshot/backends/native-backend.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const REF = 'containerd.io/snapshot.ref';

/** Has the layers whose references say how they are supplied; and can be told to fail. */
class Supplier extends NativeBackend {
  readonly events: string[] = [];
  failure: { readonly on: 'create' | 'sync'; readonly error: Error } | undefined;
  snapshots!: Snapshotter;

  override async create(snapshot: BackendSnapshot): Promise<never> {
    await super.create(snapshot);
    if (this.failure?.on === 'create') throw this.failure.error;
    const supplied = /^(staged|committed)/.exec(snapshot.labels[REF] ?? '')?.[0] as Supplied | undefined;
    if (supplied !== undefined) writeFileSync(join(snapshot.directory, 'fs/supplied'), '');
    return supplied as never;
  }

  override async sync(snapshot: BackendSnapshot): Promise<void> {
    const visible: string[] = [];
    for await (const { name, kind } of this.snapshots.walk()) visible.push(`${kind} ${name}`);
    this.events.push(`sync while there is: ${visible.join(', ')}`);
    if (this.failure?.on === 'sync') throw this.failure.error;
    await super.sync(snapshot);
  }
}

let root: string;
let backend: Supplier;
let snapshots: Snapshotter;
beforeEach(async () => {
  root = makeWorkDirectory();
  backend = new Supplier();
  snapshots = await openSnapshotter({ root, backend });
  backend.snapshots = snapshots;
});
afterEach(async () => {
  await snapshots.close();
  rmSync(root, { recursive: true });
});

async function all(): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, kind } of snapshots.walk()) found.push(`${kind} ${name}`);
  return found;
}

test('a layer that the backend commits: AlreadyExists, and it is there', async () => {
  const labels = { [REF]: 'committed-1', other: 'label' };
  await expect(snapshots.prepare('key', { labels })).rejects.toMatchObject({ code: 'AlreadyExists' });
  expect(await all()).toEqual(['committed committed-1']);
  expect(await snapshots.stat('committed-1')).toMatchObject({ labels, parent: undefined });
  expect((await snapshots.usage('committed-1')).inodes).toBe(2);
});

test('upon a parent, too', async () => {
  await snapshots.prepare('a');
  await snapshots.commit('a', { name: 'A' });
  const preparing = snapshots.prepare('key', { parent: 'A', labels: { [REF]: 'committed-2' } });
  await expect(preparing).rejects.toMatchObject({ code: 'AlreadyExists' });
  expect((await snapshots.stat('committed-2')).parent).toBe('A');
});

test('a layer that the backend stages: its last mount is read-only, and it is committed as usual', async () => {
  const mounts = await snapshots.prepare('key', { labels: { [REF]: 'staged-1' } });
  expect(mounts.at(-1)!.options).toContain('ro');
  expect(await snapshots.mounts('key')).toEqual(mounts);
  const info = await snapshots.commit('key', { name: 'staged-1' });
  expect(info.kind).toBe('committed');
});

test('a layer that it does not have is for the caller to write', async () => {
  const mounts = await snapshots.prepare('key', { labels: { [REF]: 'unknown' } });
  expect(mounts.at(-1)!.options).toContain('rw');
});

test('contents are on disk before the name exists', async () => {
  await snapshots.prepare('key');
  await snapshots.commit('key', { name: 'name' });
  expect(backend.events).toEqual(['sync while there is: active key']);
});

test('what can’t be brought to the disk stays active', async () => {
  await snapshots.prepare('key');
  backend.failure = { on: 'sync', error: new OverlayerError('DataLoss', 'input/output error') };
  await expect(snapshots.commit('key', { name: 'name' })).rejects.toBe(backend.failure.error);
  expect(await all()).toEqual(['active key']);
  backend.failure = undefined;
  await snapshots.commit('key', { name: 'name' });
});

test('when a backend fails nothing is left, and the refusal of the kernel gets its code', async () => {
  const error = Object.assign(new Error('no space'), { code: 'ENOSPC', syscall: 'mkdir' });
  backend.failure = { on: 'create', error };
  await expect(snapshots.prepare('key')).rejects.toMatchObject({
    code: 'ResourceExhausted',
    errno: 'ENOSPC',
    message: expect.stringContaining('Cannot prepare snapshot "key"'),
  });
  expect(await all()).toEqual([]);
  expect(await snapshots.cleanup()).toEqual({ removed: [], failed: [] });
});

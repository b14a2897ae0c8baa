import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ifFound } from '../../src/base/if-found.js';
import { type AbortableOptions, openSnapshotter, type Snapshotter } from '../../src/index.js';
import { NativeBackend } from '../../src/snapshot/backends/native-backend.js';
import { treeThreads } from '../../src/snapshot/trees/tree-threads.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const FILES = 1500;
const REASON = new Error('the caller wants no more');

/** The native backend, which calls back while a copy is under way, and before it brings a snapshot to the disk. */
class ObservedBackend extends NativeBackend {
  onCopy = () => {};
  onSync = () => {};

  override async create(...args: Parameters<NativeBackend['create']>): Promise<undefined> {
    const copying = super.create(...args);
    copying.catch(() => {});
    const copied = join(args[0].directory, 'fs');
    while (args[0].parents.length > 0 && readdirSync(copied).length === 0) await setImmediate();
    this.onCopy();
    return await copying;
  }

  override async sync(...args: Parameters<NativeBackend['sync']>): Promise<void> {
    await super.sync(...args);
    this.onSync();
  }
}

let root: string;
let backend: ObservedBackend;
let snapshots: Snapshotter;
let controller: AbortController;
const at = (...names: string[]) => join(root, 'snapshots', ...names);
const abort = () => controller.abort(REASON);

beforeEach(async () => {
  root = makeWorkDirectory();
  backend = new ObservedBackend();
  controller = new AbortController();
  snapshots = await openSnapshotter({ root, backend });
  const [base] = await snapshots.prepare('base key');
  fill(base!.source);
  await snapshots.commit('base key', { name: 'base' });
  await snapshots.prepare('active', { parent: 'base' });
});
afterEach(async () => {
  await snapshots.close();
  rmSync(root, { recursive: true });
});

function fill(tree: string): void {
  mkdirSync(tree, { recursive: true });
  for (let file = 0; file < FILES; file++) writeFileSync(join(tree, `${file}`), 'text');
}

async function everything(): Promise<unknown> {
  const infos = [];
  for await (const info of snapshots.walk()) infos.push(info);
  return { infos, directories: readdirSync(at()).sort(), own: readdirSync(at('2')).sort() };
}

const CALLS: Record<string, (options: AbortableOptions) => Promise<unknown>> = {
  prepare: (options) => snapshots.prepare('new', { parent: 'base', ...options }),
  view: (options) => snapshots.view('new', { parent: 'base', ...options }),
  commit: (options) => snapshots.commit('active', { name: 'new', ...options }),
  usage: (options) => snapshots.usage('active', options),
  remove: (options) => snapshots.remove('active', options),
  cleanup: (options) => snapshots.cleanup(options),
  check: (options) => snapshots.check(options),
};

test('a signal that is aborted already: nothing changes', async () => {
  const before = await everything();
  const signal = AbortSignal.abort(REASON);
  for (const call of Object.values(CALLS)) await expect(call({ signal })).rejects.toBe(REASON);
  expect(await everything()).toEqual(before);
});

describe('aborted at work', () => {
  test('prepare leaves no part of a copy', async () => {
    const before = await everything();
    backend.onCopy = abort;
    await expect(CALLS['prepare']!({ signal: controller.signal })).rejects.toBe(REASON);
    expect(await everything()).toEqual(before);
  });

  test.each(['while it is described', 'while it is brought to the disk'])(
    'commit leaves the snapshot active %s',
    async (when) => {
      const before = await everything();
      const committing = CALLS['commit']!({ signal: controller.signal });
      if (when === 'while it is described') abort();
      else backend.onSync = abort;
      await expect(committing).rejects.toBe(REASON);
      expect(await everything()).toEqual(before);
      await snapshots.commit('active', { name: 'new' });
      expect((await snapshots.check()).damaged).toBe(false);
    },
  );

  test('usage ends', async () => {
    const measuring = CALLS['usage']!({ signal: controller.signal });
    abort();
    await expect(measuring).rejects.toBe(REASON);
  });

  test('remove leaves the snapshot whole, or nothing of it once the snapshotter is closed', async () => {
    for (const turns of [0, 1, 2, 4, 8]) {
      const key = `removed ${turns}`;
      const before = readdirSync(at());
      const [mount] = await snapshots.prepare(key, { parent: 'base' });
      controller = new AbortController();
      const removing = snapshots.remove(key, { signal: controller.signal }).catch((error: unknown) => error);
      for (let turn = 0; turn < turns; turn++) await setImmediate();
      abort();
      expect([undefined, REASON]).toContain(await removing);
      await snapshots.close();
      snapshots = await openSnapshotter({ root, backend });
      const kept = await ifFound(snapshots.stat(key));
      if (kept !== undefined) {
        expect(readdirSync(mount!.source)).toHaveLength(FILES);
        await snapshots.remove(key);
      }
      expect(readdirSync(at())).toEqual(before);
    }
  });

  test('cleanup leaves the rest for the next one', async () => {
    fill(at('77/fs'));
    const cleaning = CALLS['cleanup']!({ signal: controller.signal });
    abort();
    await expect(cleaning).rejects.toBe(REASON);
    expect(await snapshots.cleanup()).toMatchObject({ removed: { length: 1 }, failed: [] });
    expect(readdirSync(at()).sort()).toEqual(['1', '2']);
  });

  test('the thread that copies a tree stops', async () => {
    mkdirSync(at('copy'));
    const copying = treeThreads.run({ type: 'copy', from: at('1/fs'), to: at('copy') }, controller.signal);
    await setImmediate(); // the thread has the job
    abort();
    await expect(copying).rejects.toBe(REASON);
    expect(readdirSync(at('copy')).length).toBeLessThan(FILES);
  });
});

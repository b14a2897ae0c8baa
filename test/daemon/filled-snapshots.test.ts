import { expect, onTestFinished, test, vi } from 'vitest';
import type { MountsResponse } from '../../src/daemon/snapshots-messages.js';
import { OverlayerError } from '../../src/index.js';
import type { TreeJob } from '../../src/snapshot/tree-job.js';
import { treeThreads } from '../../src/snapshot/tree-threads.js';
import { failureOf } from '../helpers/sandbox.js';
import { file, tar } from '../helpers/tar-builder.js';
import { digestOf, writeBlob } from './content-writer.js';
import { useDaemon } from './use-daemon.js';

const snapshotter = 'overlayer';
const LARGE = tar(file('large', Buffer.alloc(40e6)));
const SMALL = tar(file('small', 'value'));

/** A daemon that has a layer in its own content store. */
async function useLayer(layer: Uint8Array) {
  const { connect } = await useDaemon();
  await writeBlob(connect('content'), 'layer', layer);
  const [snapshots, differ] = [connect('snapshots'), connect('diff')];
  const diff = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: digestOf(layer) };
  return {
    async apply(key: string) {
      const { mounts } = await snapshots.ask<MountsResponse>('prepare', { snapshotter, key });
      await differ.ask('apply', { diff: { ...diff, size: layer.length }, mounts });
    },
    commit: (key: string) => snapshots.ask('commit', { snapshotter, key, name: 'name' }),
    remove: (key: string) => snapshots.ask('remove', { snapshotter, key }),
  };
}

/** @param failing the kind of flush of which the disk refuses the first */
function watchFlushes(failing?: TreeJob['type']): { readonly count: () => number } {
  const run = treeThreads.run.bind(treeThreads);
  let count = 0;
  let fails = failing !== undefined;
  const spy = vi.spyOn(treeThreads, 'run').mockImplementation(async (job: TreeJob) => {
    if (job.type === 'sync' || job.type === 'sync-descriptor') count += 1;
    if (!fails || job.type !== failing) return await run(job);
    fails = false;
    throw new OverlayerError('DataLoss', 'The disk fails');
  });
  onTestFinished(() => spy.mockRestore());
  return { count: () => count };
}

test.each([
  ['large', LARGE, 2],
  ['small', SMALL, 1],
])('the disk has begun with a %s layer before it is committed', async (_, layer, atLeast) => {
  const { apply, commit } = await useLayer(layer);
  const flushes = watchFlushes();
  await apply('default/1/extract-1 layer');
  expect(flushes.count()).toBeGreaterThanOrEqual(atLeast);
  const begun = flushes.count();
  await commit('default/1/extract-1 layer');
  expect(flushes.count()).toBe(begun + 1);
});

test.each([
  ['of what came with a layer', SMALL, 'sync-descriptor', 'default/1/extract-1 layer'],
  ['of what came with a layer for whatever snapshot', LARGE, 'sync-descriptor', 'another key'],
] as const)('a flush %s fails: the snapshot can only be removed', async (_, layer, failing, key) => {
  const { apply, commit, remove } = await useLayer(layer);
  watchFlushes(failing);
  await apply(key);
  for (let time = 0; time < 2; time++) expect((await failureOf(commit(key))).code).toBe('DataLoss');
  await remove(key);
  await apply(key);
  await commit(key);
});

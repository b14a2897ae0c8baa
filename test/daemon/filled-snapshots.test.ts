import { basename } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { MountsResponse } from '../../src/daemon/snapshots/snapshots-messages.js';
import { OverlayerError } from '../../src/index.js';
import { FlushPoint } from '../../src/snapshot/fill/flush-point.js';
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

/** @param failing whose flush the disk refuses first: that of the whole layer is of the directory around its tree */
function watchFlushes(failing?: 'of the whole layer'): { readonly count: () => number } {
  const { flush } = FlushPoint.prototype;
  let count = 0;
  let fails = failing !== undefined;
  const spy = vi.spyOn(FlushPoint.prototype, 'flush').mockImplementation(async function (this: FlushPoint) {
    count += 1;
    if (!fails || basename(this.directory) === 'fs') return await flush.call(this);
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
  ['of what came with a layer', SMALL, 'default/1/extract-1 layer'],
  ['of what came with a layer for whatever snapshot', LARGE, 'another key'],
])('a flush %s fails: the snapshot can only be removed', async (_, layer, key) => {
  const { apply, commit, remove } = await useLayer(layer);
  watchFlushes('of the whole layer');
  await apply(key);
  for (let time = 0; time < 2; time++) expect((await failureOf(commit(key))).code).toBe('DataLoss');
  await remove(key);
  await apply(key);
  await commit(key);
});

import { rmSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { OverlayerError, openSnapshotter, type Snapshotter } from '../../src/index.js';
import { OverlayBackend } from '../../src/snapshot/backends/overlay-backend.js';
import { fillSnapshot } from '../../src/snapshot/fill/fill-snapshot.js';
import { OVERLAY_SUPPORT } from '../helpers/overlay-support.js';
import { failureOf } from '../helpers/sandbox.js';
import { file, tar } from '../helpers/tar-builder.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

let root: string;
let snapshots: Snapshotter;
beforeEach(async () => {
  root = makeWorkDirectory();
  snapshots = await openSnapshotter({ root, backend: new OverlayBackend(OVERLAY_SUPPORT) });
  await snapshots.prepare('base');
});
afterEach(async () => {
  await snapshots.close();
  rmSync(root, { recursive: true });
});

/** Begins before the parent is committed, and commits it after the first try. */
function fillEarly(layer: Uint8Array, fail?: () => never) {
  let tries = 0;
  let settleParent!: (committed: Promise<unknown>) => void;
  const parentCommitted = new Promise<unknown>((resolve) => (settleParent = resolve));
  const filled = fillSnapshot(snapshots, {
    ...{ name: 'next', parent: 'parent', parentCommitted },
    fill: async (unpack) => {
      tries += 1;
      try {
        fail?.();
        return await unpack(layer, {});
      } finally {
        if (tries === 1 && fail === undefined) settleParent(snapshots.commit('base', { name: 'parent' }));
      }
    },
  });
  return { filled, tries: () => tries };
}

test('a layer that relies on its parent is unpacked again once the parent is committed', async () => {
  const { filled, tries } = fillEarly(tar(file('unlisted/file', 'text')));
  expect(await filled).toMatchObject({ snapshot: { name: 'next', parent: 'parent' } });
  expect(tries()).toBe(2);
});

test('a layer that needs nothing of its parent is unpacked once', async () => {
  const { filled, tries } = fillEarly(tar(file('file', 'text')));
  expect(await filled).toMatchObject({ snapshot: { name: 'next', parent: 'parent' } });
  expect(tries()).toBe(1);
});

test('another failed precondition is thrown at once, and does not wait for the parent', async () => {
  const error = new OverlayerError('FailedPrecondition', 'The file system has no extended attributes');
  const { filled, tries } = fillEarly(tar(), () => {
    throw error;
  });
  expect(await failureOf(filled)).toBe(error);
  expect(tries()).toBe(1);
  expect(await snapshots.stat('base')).toMatchObject({ kind: 'active' });
});

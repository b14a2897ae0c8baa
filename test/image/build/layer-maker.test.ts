import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openContentStore } from '../../../src/content/open-content-store.js';
import { LayerMaker, type MadeLayer, type ShowTrees } from '../../../src/image/build/layer-maker.js';
import { PullLease } from '../../../src/image/pull/pull-context.js';
import type { StoreParts } from '../../../src/image/store/store-parts.js';
import { openRoot } from '../../../src/snapshot/store/open-root.js';
import { makeWorkDirectory } from '../../helpers/work-directory.js';

// A process that writes to a mount while it is committed. The moment can't be chosen, so the change is a name that no layer
// can hold, below files that have been read by then.

let directory: string;
let parts: StoreParts;

beforeEach(async () => {
  directory = makeWorkDirectory();
  const { path, system, store: metadata, ...opened } = await openRoot({ root: directory, backend: 'native' });
  const content = await openContentStore({ root: join(path, 'content'), metadata, system });
  parts = { metadata, snapshots: opened.snapshots, content, directories: opened.directories };
});
afterEach(async () => {
  await parts.snapshots.close();
  rmSync(directory, { recursive: true });
});

const CHANGED = { code: 'FailedPrecondition', entry: 'z/.wh.name' };

/** @param changes how many attempts see the change. Undefined: the tree does not exist */
async function make(changes: number | undefined) {
  const upper = join(directory, 'tree');
  const name = join(upper, CHANGED.entry);
  if (changes !== undefined) mkdirSync(dirname(name), { recursive: true });
  if (changes !== undefined) writeFileSync(join(upper, 'file'), 'content');
  let begun = 0;
  const show: ShowTrees = async () => {
    begun += 1;
    if (begun === 1 && changes) writeFileSync(name, '');
    if (begun - 1 === changes) rmSync(name, { force: true });
    return { upper };
  };
  const lease = await PullLease.take(parts);
  const maker = new LayerMaker(parts, lease, 'oci', { compression: 'none', limits: undefined });
  const place = { parent: undefined, onProgress: () => {} };
  const made = await maker.diff(show, place).catch((reason: unknown) => reason);
  const [blobs, snapshots]: [string[], string[]] = [[], []];
  for await (const { digest } of parts.content.walk()) blobs.push(digest);
  for await (const snapshot of parts.snapshots.walk()) snapshots.push(snapshot.name);
  return { made, begun, blobs, snapshots };
}

test('a layer is begun again, and has no bytes of the first attempts', async () => {
  const { made, begun, blobs, snapshots } = await make(2);
  const { descriptor, diffID } = made as MadeLayer;
  // An archive that is not compressed: both digests are those of its only blob.
  expect([descriptor.digest, begun, blobs, snapshots]).toEqual([diffID, 3, [diffID], [diffID]]);
  const [mount] = await parts.snapshots.view('look', { parent: diffID });
  expect(readFileSync(join(mount!.source, 'file'), 'utf8')).toBe('content');
});

test('a file that keeps changing fails the layer, and neither a blob nor a snapshot stays', async () => {
  const { made, ...rest } = await make(9);
  expect(made).toMatchObject(CHANGED);
  expect(rest).toEqual({ begun: 3, blobs: [], snapshots: [] });
});

test('another failure is not tried again', async () => {
  const { made, ...rest } = await make(undefined);
  expect(made).toMatchObject({ code: 'NotFound' });
  expect(rest).toEqual({ begun: 1, blobs: [], snapshots: [] });
});

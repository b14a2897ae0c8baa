import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openContentStore } from '../../../src/content/open-content-store.js';
import { type LayerBytes, LayerMaker } from '../../../src/image/build/layer-maker.js';
import { PullLease } from '../../../src/image/pull/pull-context.js';
import type { StoreParts } from '../../../src/image/store/store-parts.js';
import { OverlayerError } from '../../../src/index.js';
import { openRoot } from '../../../src/snapshot/store/open-root.js';
import { sha256 } from '../../cli/helpers.js';
import { makeWorkDirectory } from '../../helpers/work-directory.js';

// A process that writes to a mount while it is committed. The moment can't be chosen, so the diff is made here.

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

const LAYER = Buffer.from('the layer');
const WHOLE = {
  descriptor: {
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
    digest: sha256(LAYER),
    size: LAYER.length,
  },
  diffID: sha256(LAYER),
  size: LAYER.length,
  entries: 1,
  whiteouts: 0,
};

/** @param changes how often a file changes while it is read */
async function make(changes: number, error: OverlayerError) {
  let begun = 0;
  async function* diff(): LayerBytes {
    begun += 1;
    yield Buffer.from(begun <= changes ? 'a part that is longer than the layer' : LAYER);
    if (begun <= changes) throw error;
    return WHOLE;
  }
  const lease = await PullLease.take(parts);
  const maker = new LayerMaker(parts, lease, 'oci', { limits: undefined });
  const made = await maker.diff(diff, () => {}).catch((reason: unknown) => reason);
  const blobs: string[] = [];
  for await (const { digest, size } of parts.content.walk()) blobs.push(`${digest} ${size}`);
  return { made, begun, blobs };
}

const shortened = new OverlayerError('FailedPrecondition', 'it became shorter', { entry: 'log' });

test('a layer is begun again, and has no bytes of the first attempts', async () => {
  const { made, begun, blobs } = await make(2, shortened);
  expect(begun).toBe(3);
  expect(made).toEqual({ descriptor: WHOLE.descriptor, diffID: WHOLE.diffID });
  expect(blobs).toEqual([`${sha256(LAYER)} ${LAYER.length}`]);
});

test('a file that keeps changing fails the layer, and no blob stays', async () => {
  const { made, begun, blobs } = await make(9, shortened);
  expect([made, begun, blobs]).toEqual([shortened, 3, []]);
});

test('another failure is not tried again', async () => {
  const failure = new OverlayerError('PermissionDenied', 'no', { entry: 'file' });
  expect(await make(1, failure)).toEqual({ made: failure, begun: 1, blobs: [] });
});

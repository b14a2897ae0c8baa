import { OverlayerError } from '../../base/errors.js';
import type { ManifestSource } from '../../layer/manifest/write-manifest.js';
import type { AppliedLayer } from '../../layer/unpack-layer.js';
import type { SnapshotBackend } from '../backends/backend.js';
import type { DescribedContents } from '../snapshotter.js';
import { hasKnownLayout, manifestOf, treeOf } from '../store/snapshot-tree.js';
import { treeThreads } from '../trees/tree-threads.js';
import type { FlushPoint } from './flush-point.js';

type Backend = Pick<SnapshotBackend, 'name'>;

/** Writes a manifest of what is in a snapshot's tree now. */
export async function describeContents(
  { name }: Backend,
  directory: string,
  known: Pick<ManifestSource, 'facts' | 'diffID'> = {},
): Promise<DescribedContents> {
  if (!hasKnownLayout(name)) return { usage: undefined };
  const [tree, manifest] = [treeOf(directory), manifestOf(directory)];
  try {
    return { usage: await treeThreads.run({ type: 'manifest', tree, manifest, ...known }) };
  } catch (error) {
    // Without privileges, what its own owner may not read: nobody could judge it later either.
    if (!OverlayerError.is(error) || error.code !== 'PermissionDenied') throw error;
    return { usage: undefined };
  }
}

/**
 * The same of a layer that was just unpacked there, whose files need not be looked at again. The threads that have unpacked
 * it have the next one to unpack meanwhile, and the disk has this one to write: an image of 1.35 GB takes 0.4 s less
 * of 5.1 s than if each had waited for the other.
 *
 * @param start the snapshot's, from before the layer was unpacked
 */
export async function describeLayer(
  backend: Backend,
  { layer: { diffID }, facts }: AppliedLayer,
  start: FlushPoint,
): Promise<DescribedContents> {
  const describing = describeContents(backend, start.directory, { facts, diffID });
  const flushing = start.flush();
  // After a failure of one the tree is removed: the other is out of it by then.
  await Promise.allSettled([describing, flushing]);
  await flushing;
  return await describing;
}

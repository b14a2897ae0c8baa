import { OverlayerError } from '../../base/errors.js';
import type { ManifestSource } from '../../layer/manifest/write-manifest.js';
import type { SnapshotBackend } from '../backends/backend.js';
import { hasKnownLayout, manifestOf, treeOf } from '../store/snapshot-tree.js';
import { treeThreads } from '../trees/tree-threads.js';
import type { DescribedContents } from './seal.js';

type Backend = Pick<SnapshotBackend, 'name'>;

/** Writes a manifest of what is in a snapshot's tree now. */
export async function describeContents(
  { name }: Backend,
  directory: string,
  known: Pick<ManifestSource, 'facts' | 'diffID'> = {},
  signal?: AbortSignal,
): Promise<DescribedContents> {
  if (!hasKnownLayout(name)) return { usage: undefined };
  const [tree, manifest] = [treeOf(directory), manifestOf(directory)];
  try {
    return { usage: await treeThreads.run({ type: 'manifest', tree, manifest, ...known }, signal) };
  } catch (error) {
    // Without privileges, what its own owner may not read: nobody could judge it later either.
    if (!OverlayerError.is(error) || error.code !== 'PermissionDenied') throw error;
    return { usage: undefined };
  }
}

import { OverlayerError } from '../base/errors.js';
import type { SnapshotUsage } from '../metadata/snapshot-record.js';
import type { BackendSnapshot, SnapshotBackend } from './backend.js';
import { placeRecordFile, type RecordFile, stageRecordFile } from './record-file.js';
import { hasKnownLayout, manifestOf, treeOf } from './snapshot-tree.js';
import type { DescribedContents } from './snapshotter.js';
import { treeThreads } from './tree-threads.js';

/**
 * Brings a snapshot to the disk that is about to be committed, its manifest and its record file with it. The record
 * file says that it is committed, and is seen only when all of that is there.
 *
 * @param described by whoever has written the manifest
 * @returns what it takes
 */
export async function settleSnapshot(
  backend: SnapshotBackend,
  snapshot: BackendSnapshot,
  committed: Omit<RecordFile, 'backend' | 'manifest'>,
  described?: DescribedContents,
): Promise<SnapshotUsage> {
  const { directory } = snapshot;
  const { usage: counted } = described ?? (await describeContents(backend, directory));
  await stageRecordFile(directory, { ...committed, backend: backend.name }, { sync: false });
  await backend.sync(snapshot);
  const usage = counted ?? (await backend.usage(snapshot));
  await placeRecordFile(directory);
  return usage;
}

/** Writes a manifest of what is there now. */
async function describeContents(backend: SnapshotBackend, directory: string): Promise<DescribedContents> {
  if (!hasKnownLayout(backend.name)) return { usage: undefined };
  const [tree, manifest] = [treeOf(directory), manifestOf(directory)];
  try {
    return { usage: await treeThreads.run({ type: 'manifest', tree, manifest }) };
  } catch (error) {
    // Without privileges, what its own owner may not read: nobody could judge it later either.
    if (!OverlayerError.is(error) || error.code !== 'PermissionDenied') throw error;
    return { usage: undefined };
  }
}

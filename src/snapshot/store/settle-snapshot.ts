import { rm } from 'node:fs/promises';
import type { AbortableOptions } from '../../base/abort.js';
import { OverlayerError } from '../../base/errors.js';
import type { ManifestSource } from '../../layer/manifest/write-manifest.js';
import type { SnapshotUsage } from '../../metadata/snapshot-records.js';
import type { BackendSnapshot, SnapshotBackend } from '../backends/backend.js';
import type { DescribedContents } from '../fill/seal.js';
import { treeThreads } from '../trees/tree-threads.js';
import {
  hasKnownLayout,
  manifestOf,
  placeRecordFile,
  type RecordFile,
  stageRecordFile,
  treeOf,
} from './snapshot-files.js';

/**
 * Flushes a snapshot that will be committed, with its manifest and record file, to the disk. The record file, which says
 * that the snapshot is committed, is renamed into place only after that.
 *
 * @param described given when the manifest is written and still true
 * @returns the disk space of the snapshot
 * @throws `signal.reason` after an abort: the record file is as it was
 */
export async function settleSnapshot(
  backend: SnapshotBackend,
  snapshot: BackendSnapshot,
  committed: Omit<RecordFile, 'backend' | 'manifest'>,
  { described, signal }: AbortableOptions & { readonly described?: DescribedContents | undefined } = {},
): Promise<SnapshotUsage> {
  const { directory } = snapshot;
  try {
    const { usage: counted } = described ?? (await describeContents(backend, directory, {}, signal));
    await stageRecordFile(directory, { ...committed, backend: backend.name }, { sync: false });
    await backend.sync(snapshot);
    const usage = counted ?? (await backend.usage(snapshot, { signal }));
    signal?.throwIfAborted();
    await placeRecordFile(directory);
    return usage;
  } catch (error) {
    // If this fails too, the next commit writes the manifest again.
    if (described === undefined) await rm(manifestOf(directory), { force: true }).catch(() => {});
    throw error;
  }
}

/** Writes a manifest of what is in a snapshot's tree now. */
export async function describeContents(
  { name }: Pick<SnapshotBackend, 'name'>,
  directory: string,
  known: Pick<ManifestSource, 'facts' | 'diffID'> = {},
  signal?: AbortSignal,
): Promise<DescribedContents> {
  if (!hasKnownLayout(name)) return { usage: undefined };
  const [tree, manifest] = [treeOf(directory), manifestOf(directory)];
  try {
    return { usage: await treeThreads.run({ type: 'manifest', tree, manifest, ...known }, signal) };
  } catch (error) {
    // A process without privileges can't read every file. A later check could not read them either.
    if (!OverlayerError.is(error) || error.code !== 'PermissionDenied') throw error;
    return { usage: undefined };
  }
}

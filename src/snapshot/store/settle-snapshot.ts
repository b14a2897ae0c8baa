import { rm } from 'node:fs/promises';
import type { AbortableOptions } from '../../base/abort.js';
import type { SnapshotUsage } from '../../metadata/snapshot-records.js';
import type { BackendSnapshot, SnapshotBackend } from '../backends/backend.js';
import { describeContents } from '../fill/describe-contents.js';
import type { DescribedContents } from '../fill/seal.js';
import { placeRecordFile, type RecordFile, stageRecordFile } from './record-file.js';
import { manifestOf } from './snapshot-tree.js';

/**
 * Brings a snapshot to the disk that is about to be committed, its manifest and its record file with it. The record
 * file says that it is committed, and is seen only when all of that is there.
 *
 * @param described the manifest is written already
 * @returns what it takes
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
    // The next commit writes it anew where this fails, too.
    if (described === undefined) await rm(manifestOf(directory), { force: true }).catch(() => {});
    throw error;
  }
}

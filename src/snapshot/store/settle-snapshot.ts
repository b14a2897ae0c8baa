import type { AbortableOptions } from '../../base/abort.js';
import type { SnapshotUsage } from '../../metadata/snapshot-records.js';
import type { BackendSnapshot, SnapshotBackend } from '../backends/backend.js';
import type { DescribedContents } from '../contents/contents.js';
import { contentsOf } from '../contents/known-contents.js';
import { placeRecordFile, type RecordFile, stageRecordFile } from './snapshot-files.js';

/**
 * Flushes a snapshot that will be committed, with its description and record file, to the disk. The record file, which
 * says that the snapshot is committed, is renamed into place only after that.
 *
 * @param described given when the contents are described, and the description is still true
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
  const contents = contentsOf(backend);
  try {
    const settled = await contents?.settle(snapshot, { described, signal });
    await stageRecordFile(directory, { ...committed, backend: backend.name }, { sync: false });
    await backend.sync(snapshot);
    const usage = settled?.usage ?? (await backend.usage(snapshot, { signal }));
    signal?.throwIfAborted();
    await placeRecordFile(directory);
    return usage;
  } catch (error) {
    await contents?.unsettle(directory, described).catch(() => {}); // the first error says more
    throw error;
  }
}

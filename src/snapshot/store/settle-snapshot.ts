import type { SnapshotUsage } from '../../metadata/snapshot-record.js';
import type { BackendSnapshot, SnapshotBackend } from '../backends/backend.js';
import { describeContents } from '../fill/describe-contents.js';
import type { DescribedContents } from '../fill/seal.js';
import { placeRecordFile, type RecordFile, stageRecordFile } from './record-file.js';

/**
 * Brings a snapshot to the disk that is about to be committed, its manifest and its record file with it. The record
 * file says that it is committed, and is seen only when all of that is there.
 *
 * @param described the manifest is written already
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

import { OverlayerError } from '../../base/errors.js';
import { checkLabels } from '../../metadata/labels.js';
import {
  checkCommit,
  commitRecord,
  getRecord,
  listRecords,
  type NamedRecord,
} from '../../metadata/snapshot-records.js';
import type { BackendSnapshot, SnapshotBackend } from '../backends/backend.js';
import { contentsOf } from '../contents/known-contents.js';
import { type Seal, takeSeal } from '../fill/seal.js';
import { SNAPSHOT_REF_LABEL } from '../labels.js';
import type { CommitOptions, SnapshotInfo } from '../snapshotter.js';
import { settleSnapshot } from './settle-snapshot.js';
import { checkSnapshotName, snapshotInfo } from './snapshot-info.js';
import type { SnapshotRoot } from './snapshot-root.js';

/** Takes work that the caller of a method does not wait for. It may fail: `cleanup` does it then. */
type FinishLater = (work: Promise<void>) => void;

/** See `Snapshotter.commit`. */
export async function commitSnapshot(
  root: SnapshotRoot,
  key: string,
  options: CommitOptions,
  later: FinishLater,
): Promise<SnapshotInfo> {
  const { name, labels = {}, signal } = options;
  const seal = takeSeal(options);
  signal?.throwIfAborted();
  checkSnapshotName(name);
  checkLabels(labels);
  // Every refusal comes before the work.
  const { id } = findCommit(root, key, options).record;
  return await root.directories.hold(id, () => commitHeld(root, key, options, seal, later), { signal });
}

async function commitHeld(
  root: SnapshotRoot,
  key: string,
  options: CommitOptions,
  { described, inheritsRoot }: Seal,
  later: FinishLater,
): Promise<SnapshotInfo> {
  // Another caller may have committed it during the wait.
  const { record, snapshot, isLate } = findCommit(root, key, options);
  const { name, parent, labels = {}, signal } = options;
  const { store, backend } = root;
  const committed = { ...record, name, kind: 'committed', labels, createdAt: Date.now() } as const;
  try {
    if (isLate && inheritsRoot) await backend.inheritRoot?.(snapshot);
    if (isLate && inheritsRoot === undefined && SNAPSHOT_REF_LABEL in record.labels)
      await backend.inheritUnlisted?.(snapshot);
    const usage = await settleSnapshot(backend, snapshot, committed, { described, signal });
    const info = await store.write((transaction) =>
      commitRecord(transaction, key, { name, parent, labels, usage }),
    );
    // `cleanup` does what can't be done now: the snapshot is committed.
    const removal = await contentsOf(backend)
      ?.committed?.(snapshot.directory)
      .catch(() => undefined);
    if (removal !== undefined) later(removal.freed);
    return snapshotInfo(info);
  } catch (error) {
    await restoreRecordFile(root, snapshot.directory, record.id);
    throw error;
  }
}

interface FoundCommit {
  readonly record: NamedRecord;
  readonly snapshot: BackendSnapshot;
  /** The commit gives the snapshot its parent. */
  readonly isLate: boolean;
}

/** @throws OverlayerError the snapshot can't be committed so */
function findCommit(root: SnapshotRoot, key: string, { name, parent }: CommitOptions): FoundCommit {
  return root.store.read((transaction) => {
    const record = checkCommit(transaction, key, { name, parent });
    const isLate = record.parent !== getRecord(transaction, key).parent;
    if (isLate) checkCanRebase(root.backend);
    return { record, snapshot: root.describe(transaction, record), isLate };
  });
}

function checkCanRebase({ name, capabilities }: SnapshotBackend): void {
  if (capabilities.includes('rebase')) return;
  throw new OverlayerError(
    'Unimplemented',
    `Backend "${name}" can't give a snapshot its parent when it is committed`,
    { hint: 'give the parent to prepare' },
  );
}

/** Writes the record that is in the metadata, after a failed commit. */
async function restoreRecordFile(root: SnapshotRoot, directory: string, id: number): Promise<void> {
  const now = root.store.read((transaction) => listRecords(transaction).find((record) => record.id === id));
  if (now !== undefined) await root.writeRecordFile(directory, now).catch(() => {}); // `check` finds it
}

import type { MetadataStore } from '../../metadata/metadata-store.js';
import { findRecord, listRecords, removeRecord } from '../../metadata/snapshot-records.js';
import { UNPACKING_LABEL } from '../labels.js';
import type { SnapshotDirectories } from './snapshot-directories.js';

/** Removes the records of unpacks whose process has died: nobody holds the lock. Their directories are nobody's then. */
export async function forgetDeadUnpacks(
  store: MetadataStore,
  directories: SnapshotDirectories,
): Promise<void> {
  const unpacks = store.read((transaction) =>
    listRecords(transaction).filter(({ kind, labels }) => kind === 'active' && UNPACKING_LABEL in labels),
  );
  for (const { name, labels } of unpacks) {
    const release = directories.takeNameLock(labels[UNPACKING_LABEL]!);
    if (release === undefined) continue;
    try {
      await store.write((transaction) => {
        if (findRecord(transaction, name) !== undefined) removeRecord(transaction, name);
      });
    } finally {
      release();
    }
  }
}

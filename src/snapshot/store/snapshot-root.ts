import type { MetadataStore, ReadTransaction } from '../../metadata/metadata-store.js';
import { getAncestors, getRecord, type NamedRecord } from '../../metadata/snapshot-records.js';
import type { BackendSnapshot, SnapshotBackend } from '../backends/backend.js';
import type { SnapshotDirectories } from './snapshot-directories.js';
import { type RecordFile, writeRecordFile } from './snapshot-files.js';

/** The parts of an open root: the records of its snapshots, their directories, and the backend that lays these out. */
export class SnapshotRoot {
  readonly store: MetadataStore;
  readonly directories: SnapshotDirectories;
  readonly backend: SnapshotBackend;

  constructor(backend: SnapshotBackend, store: MetadataStore, directories: SnapshotDirectories) {
    this.backend = backend;
    this.store = store;
    this.directories = directories;
  }

  /** @throws OverlayerError `NotFound` */
  get(key: string): { readonly record: NamedRecord; readonly snapshot: BackendSnapshot } {
    return this.store.read((transaction) => {
      const record = getRecord(transaction, key);
      return { record, snapshot: this.describe(transaction, record) };
    });
  }

  describe(transaction: ReadTransaction, record: NamedRecord): BackendSnapshot {
    const { id, kind, parent, labels, staged } = record;
    return {
      directory: this.directories.pathOf(id),
      parents: this.ancestors(transaction, parent),
      kind,
      labels,
      readOnly: kind === 'view' || staged,
    };
  }

  /** Directories of a snapshot and its ancestors, nearest first. */
  ancestors(transaction: ReadTransaction, parent: string | undefined): string[] {
    return getAncestors(transaction, { parent }).map(({ id }) => this.directories.pathOf(id));
  }

  writeRecordFile(directory: string, record: Omit<RecordFile, 'backend' | 'manifest'>): Promise<void> {
    return writeRecordFile(directory, { ...record, backend: this.backend.name });
  }
}

import type { MetadataStore } from '../../metadata/metadata-store.js';
import type { SnapshotBackend } from '../backends/backend.js';
import type { SnapshotDirectories } from '../store/snapshot-directories.js';

/** The parts of a stored snapshotter that a check compares. */
export interface CheckContext {
  readonly store: MetadataStore;
  readonly directories: SnapshotDirectories;
  readonly backend: SnapshotBackend;
}

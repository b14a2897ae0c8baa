import type { ContentStore } from '../../content/content-store.js';
import type { MetadataStore } from '../../metadata/metadata-store.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import type { SnapshotDirectories } from '../../snapshot/store/snapshot-directories.js';

/** The three stores below one root. */
export interface StoreParts {
  readonly metadata: MetadataStore;
  readonly snapshots: Snapshotter;
  readonly content: ContentStore;
  /** Makes directories for temporary files. A cleanup of the snapshots removes those of dead processes. */
  readonly directories: Pick<SnapshotDirectories, 'stage' | 'path'>;
}

import type { ContentStore } from '../../content/content-store.js';
import type { MetadataStore } from '../../metadata/metadata-store.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';

/** The three stores below one root. */
export interface StoreParts {
  readonly metadata: MetadataStore;
  readonly snapshots: Snapshotter;
  readonly content: ContentStore;
}

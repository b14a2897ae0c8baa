import { join } from 'node:path';
import type { MetadataStore } from '../metadata/metadata-store.js';
import { makePrivateDirectory } from '../rootfs/private-directory.js';
import { toOverlayerError } from '../system/errno-code.js';
import { openLinuxSystem } from '../system/linux.js';
import { syncDirectory } from '../system/sync-directory.js';
import type { System } from '../system/system.js';
import { BlobFiles } from './blob-files.js';
import type { ContentStore } from './content-store.js';
import { IngestDirectories } from './ingest-directories.js';
import { LeaseHolds } from './lease-holds.js';
import { StoredContent } from './stored-content.js';

export interface OpenContentStoreOptions {
  /** Where the blobs and ingests are. It is made if need be, for its owner's eyes only. */
  readonly root: string;
  /** Keeps labels and leases, and belongs to the caller: it is closed after the last use of the content. */
  readonly metadata: MetadataStore;
  readonly system?: System | undefined;
}

/** @throws OverlayerError `PermissionDenied`, `ResourceExhausted` */
export async function openContentStore(options: OpenContentStoreOptions): Promise<ContentStore> {
  const { metadata, system = openLinuxSystem() } = options;
  try {
    const root = await makePrivateDirectory(system, options.root);
    const blobs = await makePrivateDirectory(system, join(root, 'blobs'));
    const sha256 = await makePrivateDirectory(system, join(blobs, 'sha256'));
    const ingest = await makePrivateDirectory(system, join(root, 'ingest'));
    const leases = await makePrivateDirectory(system, join(root, 'leases'));
    // A blob that is on disk can be found there.
    for (const directory of [blobs, root]) await syncDirectory(directory);
    return new StoredContent(
      system,
      metadata,
      new BlobFiles(system, sha256),
      new IngestDirectories(system, ingest),
      new LeaseHolds(system, leases),
    );
  } catch (error) {
    throw toOverlayerError(error, `Cannot use "${options.root}" for content`);
  }
}

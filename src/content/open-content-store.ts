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
  /** Directory of the blobs and ingests. It is made if it does not exist. Only its owner can read it. */
  readonly root: string;
  /** Stores labels and leases. The caller owns it, and closes it after the last use of the content. */
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
    // The entries of the new directories must be on disk before the first blob counts as stored.
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

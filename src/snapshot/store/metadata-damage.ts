import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { OverlayerError } from '../../base/errors.js';
import { openLmdbStore } from '../../metadata/lmdb-store.js';
import { listRecords } from '../../metadata/snapshot-records.js';

/**
 * Whether the metadata are lost, where there are snapshots: an empty store in their place would make orphans of all
 * that `cleanup` then frees.
 */
export function metadataLost(root: string): boolean {
  // In this order, since others may be making the first snapshot: metadata come before directories.
  const hasSnapshots = readdirSync(join(root, 'snapshots')).some((name) => /^[1-9]\d*$/.test(name));
  return hasSnapshots && !(statSync(join(root, 'metadata.db'), { throwIfNoEntry: false })?.size ?? 0);
}

/** @returns what is wrong with the metadata of a root; undefined when they are sound */
export async function metadataDamage(root: string): Promise<string | undefined> {
  if (metadataLost(root)) return 'they are gone';
  try {
    const store = openLmdbStore(join(root, 'metadata.db'));
    try {
      store.read((transaction) => listRecords(transaction));
      return undefined;
    } finally {
      await store.close();
    }
  } catch (error) {
    if (OverlayerError.is(error) && error.code === 'DataLoss') return error.message;
    throw error;
  }
}

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { OverlayerError } from '../../base/errors.js';
import { openLmdbStore } from '../../metadata/lmdb-store.js';
import type { MetadataStore } from '../../metadata/metadata-store.js';
import { listRecords, reserveIds } from '../../metadata/snapshot-records.js';

/**
 * Whether there are snapshots without metadata. An empty store in their place would turn every snapshot into an orphan,
 * which `cleanup` removes.
 */
export function metadataLost(root: string): boolean {
  // The order matters while another process makes the first snapshot: metadata come before directories.
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

/** Ids are reserved in blocks: only one snapshot of a block waits for two transactions. Ids that are left over stay unused. */
const BLOCK = 32;

interface Block {
  next: number;
  readonly end: number;
}

/**
 * Gives out ids. A snapshot has its id before its record, since its directory is made first. Ids rise. No id is given out
 * twice, in any process and after any crash.
 */
export class SnapshotIds {
  readonly #store: MetadataStore;
  #reserved: Promise<Block> | undefined;

  constructor(store: MetadataStore) {
    this.#store = store;
  }

  async next(): Promise<number> {
    for (;;) {
      this.#reserved ??= this.#store.write((transaction) => {
        const next = reserveIds(transaction, BLOCK);
        return { next, end: next + BLOCK };
      });
      const reserved = this.#reserved;
      try {
        const block = await reserved;
        if (block.next < block.end) return block.next++;
      } catch (error) {
        this.#forget(reserved);
        throw error;
      }
      this.#forget(reserved);
    }
  }

  /** Does nothing when another caller that waited has already reserved a new block. */
  #forget(reserved: Promise<Block>): void {
    if (this.#reserved === reserved) this.#reserved = undefined;
  }
}

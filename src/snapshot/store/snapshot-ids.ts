import type { MetadataStore } from '../../metadata/metadata-store.js';
import { reserveIds } from '../../metadata/snapshot-records.js';

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

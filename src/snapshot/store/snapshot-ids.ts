import type { MetadataStore } from '../../metadata/metadata-store.js';
import { reserveIds } from '../../metadata/snapshot-records.js';

/** Taken at once, so that only one snapshot in so many waits for two transactions. Those left over are not used. */
const BLOCK = 32;

interface Block {
  next: number;
  readonly end: number;
}

/**
 * Ids are given out before there is a record, since the directory comes first. They rise, and none is given out
 * twice, in all processes and after any crash.
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

  /** Unless somebody else who waited has begun a new one already. */
  #forget(reserved: Promise<Block>): void {
    if (this.#reserved === reserved) this.#reserved = undefined;
  }
}

/** Keys order by their parts: numbers before strings, numbers by value, strings by their UTF-8 bytes. */
export type Key = readonly (string | number)[];

/** What `JSON.stringify` keeps. */
export type Value = string | number | boolean | null | readonly Value[] | { readonly [name: string]: Value };

export interface Entry {
  readonly key: Key;
  readonly value: Value;
}

/** A view of the store that stays as it was when the transaction began. Not to be used once it is over. */
export interface ReadTransaction {
  get(key: Key): Value | undefined;
  /** Entries whose key is `prefix` and more parts, in order; only those that come after `after`. */
  entries(prefix: Key, after?: Key): Iterable<Entry>;
}

export interface WriteTransaction extends ReadTransaction {
  put(key: Key, value: Value): void;
  delete(key: Key): void;
}

/**
 * A small transactional store, as containerd's bbolt is to it. Functions given to it are synchronous, so that
 * nobody can wait for anything while holding a transaction.
 *
 * Several processes may have the same store open. There is one writer at a time and any number of readers, who
 * never wait for it.
 */
export interface MetadataStore {
  /** @throws OverlayerError `DataLoss` when the store is damaged, `FailedPrecondition` once it is closed */
  read<T>(use: (transaction: ReadTransaction) => T): T;
  /**
   * All that `change` wrote is stored, or nothing when it throws. Resolves once it is on disk; until then others
   * don't see it, but further transactions of this process may. No other `change` runs meanwhile, in any process: what
   * it does outside of the store is safe from theirs.
   *
   * @throws OverlayerError as `read`, and `ResourceExhausted` when the disk is full
   */
  write<T>(change: (transaction: WriteTransaction) => T): Promise<T>;
  /** A second time does nothing. */
  close(): Promise<void>;
}

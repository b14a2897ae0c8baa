/** Keys are ordered by their parts: numbers before strings, numbers by value, strings by their UTF-8 bytes. */
export type Key = readonly (string | number)[];

/** A JSON value. */
export type Value = string | number | boolean | null | readonly Value[] | { readonly [name: string]: Value };

export interface Entry {
  readonly key: Key;
  readonly value: Value;
}

/** A snapshot of the store at the start of the transaction. Invalid after the transaction. */
export interface ReadTransaction {
  get(key: Key): Value | undefined;
  /** Entries in order whose keys extend `prefix` and are greater than `after`. */
  entries(prefix: Key, after?: Key): Iterable<Entry>;
}

export interface WriteTransaction extends ReadTransaction {
  put(key: Key, value: Value): void;
  delete(key: Key): void;
}

/**
 * A small transactional store, as bbolt in containerd. Its callbacks are synchronous, so that no transaction stays open while
 * other work is awaited.
 *
 * Several processes may have a store open. There is one writer at a time. Readers never wait for it.
 */
export interface MetadataStore {
  /** @throws OverlayerError `DataLoss` when the store is damaged, `FailedPrecondition` once it is closed */
  read<T>(use: (transaction: ReadTransaction) => T): T;
  /**
   * Stores all writes of `change`, or none when it throws. Resolves when they are on disk. Until then other processes do not
   * see them, but later transactions of this process may. No other `change` runs meanwhile in any process, so its effects
   * outside of the store are exclusive too.
   *
   * @throws OverlayerError as `read`, and `ResourceExhausted` when the disk is full
   */
  write<T>(change: (transaction: WriteTransaction) => T): Promise<T>;
  /** A second call does nothing. */
  close(): Promise<void>;
}

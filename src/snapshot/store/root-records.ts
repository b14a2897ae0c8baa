import { OverlayerError } from '../../base/errors.js';
import type { Key, MetadataStore, ReadTransaction, WriteTransaction } from '../../metadata/metadata-store.js';

// What a root says of itself.

/** Whose the snapshots are. */
const BACKEND_KEY: Key = ['backend'];
const VERSION_KEY: Key = ['format version'];
/** Whoever changes what is below a root, so that this program would take it for something else, gives it another number. */
const VERSION = 1;

export function readBackend(transaction: ReadTransaction): string | undefined {
  return transaction.get(BACKEND_KEY) as string | undefined;
}

/** Of a new root. */
export function describeRoot(transaction: WriteTransaction, backend: string): void {
  transaction.put(BACKEND_KEY, backend);
  transaction.put(VERSION_KEY, VERSION);
}

/**
 * A root that says nothing is of version 1.
 *
 * @throws OverlayerError `FailedPrecondition`: it is of a version that only later releases know
 */
export function checkVersion(store: MetadataStore, root: string): void {
  const version = store.read((transaction) => transaction.get(VERSION_KEY)) ?? 1;
  if (version === VERSION) return;
  throw new OverlayerError(
    'FailedPrecondition',
    `The store in "${root}" is of format version ${JSON.stringify(version)}: this overlayer knows ${VERSION}`,
    { hint: 'use the release of overlayer that has written it, or a later one' },
  );
}

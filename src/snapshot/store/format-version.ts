import { OverlayerError } from '../../base/errors.js';
import type { Key, ReadTransaction, WriteTransaction } from '../../metadata/metadata-store.js';

/** The name of the backend that laid out the snapshots. */
const BACKEND_KEY: Key = ['backend'];
const VERSION_KEY: Key = ['format version'];
/** A change below the root that this program would misread needs another number. */
const VERSION = 1;

export function readBackend(transaction: ReadTransaction): string | undefined {
  return transaction.get(BACKEND_KEY) as string | undefined;
}

/** Writes backend and format version of a new root. */
export function describeRoot(transaction: WriteTransaction, backend: string): void {
  transaction.put(BACKEND_KEY, backend);
  transaction.put(VERSION_KEY, VERSION);
}

/**
 * A root without a version has version 1.
 *
 * @throws OverlayerError `FailedPrecondition`: only later releases know the version
 */
export function checkVersion(transaction: ReadTransaction, root: string): void {
  const version = transaction.get(VERSION_KEY) ?? 1;
  if (version === VERSION) return;
  throw new OverlayerError(
    'FailedPrecondition',
    `The store in "${root}" is of format version ${JSON.stringify(version)}: this overlayer knows ${VERSION}`,
    { hint: 'use the release of overlayer that has written it, or a later one' },
  );
}

import type { Key, ReadTransaction, WriteTransaction } from '../metadata/metadata-store.js';
import type { Digest } from '../oci/digest.js';

// A use of a blob is a commit, a change of its labels, or the end of a lease's hold. A garbage collection keeps blobs
// that were used after it began. Uses are numbered across all processes, because a clock can be set back.

const COUNT: Key = ['content uses'];
const USES: Key = ['content use'];
const useKey = (digest: string): Key => ['content use', digest];

export function noteUse(transaction: WriteTransaction, digest: string): void {
  const use = countUses(transaction) + 1;
  transaction.put(COUNT, use);
  transaction.put(useKey(digest), use);
}

export function countUses(transaction: ReadTransaction): number {
  return (transaction.get(COUNT) as number | undefined) ?? 0;
}

/** @param count the number of uses at an earlier time (`countUses`) */
export function isUsedSince(transaction: ReadTransaction, digest: Digest, count: number): boolean {
  return ((transaction.get(useKey(digest)) as number | undefined) ?? 0) > count;
}

export function forgetUse(transaction: WriteTransaction, digest: Digest): void {
  transaction.delete(useKey(digest));
}

export function* listUses(transaction: ReadTransaction): Generator<Digest> {
  for (const { key } of transaction.entries(USES)) yield key[1] as Digest;
}

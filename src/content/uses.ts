import type { Key, ReadTransaction, WriteTransaction } from '../metadata/metadata-store.js';
import type { Digest } from '../oci/digest.js';

// What a collection has to know of blobs beside their leases: which were put, labelled or let go by a lease while it
// was looking for what is referred to. They are counted, over all processes: clocks can be set back.

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

/** @param count of uses, at an earlier time */
export function isUsedSince(transaction: ReadTransaction, digest: Digest, count: number): boolean {
  return ((transaction.get(useKey(digest)) as number | undefined) ?? 0) > count;
}

export function forgetUse(transaction: WriteTransaction, digest: Digest): void {
  transaction.delete(useKey(digest));
}

export function* listUses(transaction: ReadTransaction): Generator<Digest> {
  for (const { key } of transaction.entries(USES)) yield key[1] as Digest;
}

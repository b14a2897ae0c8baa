import type { MetadataStore, ReadTransaction, WriteTransaction } from '../metadata/metadata-store.js';
import type { Digest } from '../oci/digest.js';
import type { BlobFiles } from './blob-files.js';
import { deleteBlob, forgetBlob, listForgotten } from './blob-records.js';
import type { SweepOptions, SweepResult } from './content-store.js';
import type { FoundIngest, IngestDirectories } from './ingest-directories.js';
import type { LeaseHolds } from './lease-holds.js';
import { heldResources, type LeaseEnds, releaseEnded } from './lease-records.js';
import type { LeaseResource } from './leases.js';
import { countUses, isUsedSince } from './uses.js';

const DAY_MS = 24 * 60 * 60 * 1000;
/** Blobs that one transaction deletes, and that are open at once. */
const BATCH = 64;

interface Content {
  readonly metadata: MetadataStore;
  readonly blobs: BlobFiles;
  readonly ingests: IngestDirectories;
  readonly holds: LeaseHolds;
}

/** The state at the beginning of a collection. */
interface Begin {
  readonly now: number;
  /** The number of uses. A blob with a later use is kept. */
  readonly uses: number;
  readonly held: readonly LeaseResource[];
}

/**
 * See `ContentStore.sweep`. A blob is kept when it is marked, held by a lease, or was used since the beginning. The
 * transaction that deletes a blob checks this. Each use of a blob is noted in a transaction as well: an earlier one
 * keeps the blob, and a later one finds it gone.
 */
export async function sweepContent(
  content: Content,
  mark: (held: readonly LeaseResource[]) => Promise<(digest: Digest) => boolean>,
  { ingestsIdleMs = DAY_MS, signal }: SweepOptions,
): Promise<SweepResult> {
  const { metadata, blobs } = content;
  signal?.throwIfAborted();
  const begin = await metadata.write((transaction) => beginSweep(transaction, content));
  const keep = await mark(begin.held);
  const result = { blobs: [] as Digest[], ingests: [] as string[], bytes: 0 };
  const candidates = (await blobs.list()).filter((digest) => !keep(digest));
  for (let at = 0; at < candidates.length; at += BATCH) {
    signal?.throwIfAborted();
    const batch = candidates.slice(at, at + BATCH);
    const removed = await blobs.freeLater(batch, () =>
      metadata.write((transaction) => removeUnused(transaction, content, begin, batch)),
    );
    for (const { digest, size } of removed) {
      result.blobs.push(digest);
      result.bytes += size;
    }
  }
  await forgetUnused(content, begin);
  await content.holds.removeLeft();
  for (const { ref, offset } of await removeIdle(content, begin, ingestsIdleMs, signal)) {
    if (ref !== undefined) result.ingests.push(ref);
    result.bytes += offset;
  }
  return result;
}

function beginSweep(transaction: WriteTransaction, { holds }: Content): Begin {
  const now = Date.now();
  // The end of a lease counts as a use of its blobs. It is noted before the count, so this collection deletes them.
  releaseEnded(transaction, { now, isHeld: (id) => holds.isHeld(id) });
  return { now, uses: countUses(transaction), held: [...heldResources(transaction, lasting(now))] };
}

/**
 * A lease that ends during the sweep holds its blobs until the sweep ends. Its process may have recorded an image that
 * `mark` has not seen.
 */
function lasting(now: number): LeaseEnds {
  return { now, isHeld: () => true };
}

function removeUnused(
  transaction: WriteTransaction,
  { blobs }: Content,
  begin: Begin,
  batch: readonly Digest[],
): { readonly digest: Digest; readonly size: number }[] {
  const held = heldOf('content', transaction, begin);
  return batch
    .filter((digest) => !held.has(digest) && !isUsedSince(transaction, digest, begin.uses))
    .filter((digest) => blobs.find(digest) !== undefined)
    .map((digest) => ({ digest, size: deleteBlob(transaction, blobs, digest) }));
}

/** Deletes the records of blobs that no longer exist. */
async function forgetUnused({ metadata, blobs }: Content, begin: Begin): Promise<void> {
  const forgotten = metadata.read((transaction) => listForgotten(transaction, blobs));
  if (forgotten.length === 0) return;
  await metadata.write((transaction) => {
    for (const digest of forgotten)
      if (blobs.find(digest) === undefined && !isUsedSince(transaction, digest, begin.uses))
        forgetBlob(transaction, digest);
  });
}

async function removeIdle(
  { metadata, ingests }: Content,
  begin: Begin,
  idleMs: number,
  signal: AbortSignal | undefined,
): Promise<FoundIngest[]> {
  const removed: FoundIngest[] = [];
  for (const name of await ingests.list()) {
    signal?.throwIfAborted();
    const directory = ingests.tryLock(name);
    if (directory === undefined) continue;
    try {
      const found = await ingests.read(name);
      if (found === undefined || begin.now - found.updatedAt.getTime() < idleMs) continue;
      const held = metadata.read((transaction) => heldOf('ingest', transaction, begin));
      if (found.ref !== undefined && held.has(found.ref)) continue;
      await directory.remove();
      removed.push(found);
    } finally {
      directory.release();
    }
  }
  return removed;
}

function heldOf(
  type: LeaseResource['type'],
  transaction: ReadTransaction,
  { now }: Begin,
): ReadonlySet<string> {
  const held = new Set<string>();
  for (const resource of heldResources(transaction, lasting(now)))
    if (resource.type === type) held.add(resource.id);
  return held;
}

import type { AbortableOptions } from '../../base/abort.js';
import { OverlayerError } from '../../base/errors.js';
import { ifFound } from '../../base/if-found.js';
import type { LeaseResource } from '../../content/leases.js';
import { type Digest, parseDigest } from '../../oci/digest.js';
import type { SnapshotInfo } from '../../snapshot/snapshotter.js';
import { LAYER_BLOB_LABEL, ROOT_LABEL, referencesOf } from './image-labels.js';
import { listImages } from './image-records.js';
import type { StoreParts } from './store-parts.js';

interface CollectOptions extends AbortableOptions {
  /** Milliseconds without a write after which an ingest is deleted. @default 86,400,000 (24 hours) */
  readonly ingestsIdleMs?: number | undefined;
  /** The only data that may be deleted. @default all data */
  readonly only?:
    | { readonly blobs: ReadonlySet<string>; readonly snapshots: ReadonlySet<string> }
    | undefined;
}

/** The blobs and snapshots that a garbage collection has deleted. */
export interface CollectResult {
  readonly blobs: readonly Digest[];
  /** Refs of ingests. */
  readonly ingests: readonly string[];
  /** Names of snapshots. */
  readonly snapshots: readonly string[];
  /** Disk space that was freed, in bytes. */
  readonly bytes: number;
}

/**
 * Deletes data that no image and no lease uses: blobs, idle ingests, and snapshots that a pull made. Snapshots that are
 * mounted or have children stay. Data that this process or another one begins to use meanwhile stays too
 * (`content/leases.ts`).
 *
 * @throws `signal.reason` when the signal aborts; deletions up to then stay
 */
export async function collectGarbage(
  parts: StoreParts,
  { only, ingestsIdleMs, signal }: CollectOptions = {},
): Promise<CollectResult> {
  const swept = await parts.content.sweep(
    async (held) => {
      const { blobs } = await findUsed(parts, held);
      return (digest) => blobs.has(digest) || only?.blobs.has(digest) === false;
    },
    { ingestsIdleMs, signal },
  );
  const removed = await removeUnused(parts, only?.snapshots, signal);
  return { ...swept, snapshots: removed.names, bytes: swept.bytes + removed.bytes };
}

async function removeUnused(
  parts: StoreParts,
  only: ReadonlySet<string> | undefined,
  signal: AbortSignal | undefined,
): Promise<{ readonly names: readonly string[]; readonly bytes: number }> {
  const { snapshots } = parts;
  const used = await findUsed(parts, await heldByLeases(parts));
  const names: string[] = [];
  let bytes = 0;
  for (const { name } of childrenFirst(await listSnapshots(parts))) {
    if (used.snapshots.has(name) || only?.has(name) === false) continue;
    signal?.throwIfAborted();
    // A user of the snapshot first takes a lease on it, then looks for it while it holds this lock.
    await snapshots.withLock(name, async () => {
      if ((await findUsed(parts, await heldByLeases(parts))).snapshots.has(name)) return;
      try {
        const usage = await snapshots.usage(name);
        await snapshots.remove(name);
        bytes += usage.bytes;
        names.push(name);
      } catch (error) {
        // Another process has just made a child of it, or removed it.
        if (!OverlayerError.is(error) || !['FailedPrecondition', 'NotFound'].includes(error.code))
          throw error;
      }
    });
  }
  return { names, bytes };
}

function childrenFirst(infos: readonly SnapshotInfo[]): readonly SnapshotInfo[] {
  const byName = new Map(infos.map((info) => [info.name, info]));
  const depth = (info: SnapshotInfo | undefined): number =>
    info === undefined ? 0 : 1 + depth(byName.get(info.parent ?? ''));
  return infos
    .map((info) => ({ info, depth: depth(info) }))
    .sort((a, b) => b.depth - a.depth)
    .map(({ info }) => info);
}

interface Used {
  readonly blobs: ReadonlySet<string>;
  readonly snapshots: ReadonlySet<string>;
}

/**
 * Finds the data that images, labels and leases use, and the snapshots that no pull made.
 *
 * @param held resources of leases, read before the images: a pull records its image before it ends its lease
 */
async function findUsed(parts: StoreParts, held: readonly LeaseResource[]): Promise<Used> {
  const roots = [...imageRoots(parts), ...(await labelledRoots(parts))];
  const { blobs, snapshots } = await followAll(parts, roots);
  for (const { type, id } of held) {
    if (type === 'content') blobs.add(id);
    if (type === 'snapshot') snapshots.add(id);
  }
  return { blobs, snapshots: withParents(await listSnapshots(parts), snapshots) };
}

/** Digests of the images' targets. */
export function imageRoots({ metadata }: StoreParts): string[] {
  return metadata.read((transaction) => listImages(transaction).map(({ target }) => target.digest));
}

/** Digests of blobs that a label keeps. */
export async function labelledRoots({ content }: StoreParts): Promise<string[]> {
  const roots: string[] = [];
  // A filter would load the regular expression engine, which takes 20 ms.
  for await (const { digest, labels } of content.walk()) if (ROOT_LABEL in labels) roots.push(digest);
  return roots;
}

/** Blobs, all blobs that their labels refer to, and the snapshots that these refer to, without their parents. */
export async function followAll(
  parts: StoreParts,
  roots: readonly string[],
): Promise<{ readonly blobs: Set<string>; readonly snapshots: Set<string> }> {
  const [blobs, snapshots] = [new Set<string>(), new Set<string>()];
  for (const digest of roots) await follow(parts, digest, blobs, snapshots);
  return { blobs, snapshots };
}

/** Follows the labels of one blob. */
async function follow(
  { content, snapshots }: StoreParts,
  root: string,
  blobs: Set<string>,
  found: Set<string>,
): Promise<void> {
  const todo = [root];
  for (let digest = todo.pop(); digest !== undefined; digest = todo.pop()) {
    if (blobs.has(digest)) continue;
    blobs.add(digest);
    const blob = await content.find(parseDigest(digest));
    if (blob === undefined) continue; // the blob was discarded
    const references = referencesOf(blob.labels, snapshots.backend.name);
    todo.push(...references.content);
    for (const name of references.snapshots) found.add(name);
  }
}

/** Whether a pull made the snapshot, so that a collection may delete it. */
export function isPulled({ kind, labels }: SnapshotInfo): boolean {
  return kind === 'committed' && LAYER_BLOB_LABEL in labels;
}

/** Snapshots in use: those found, those that no pull made, and the parents of both. */
function withParents(infos: readonly SnapshotInfo[], found: ReadonlySet<string>): ReadonlySet<string> {
  const byName = new Map(infos.map((info) => [info.name, info]));
  const used = new Set<string>();
  for (const info of infos) {
    if (isPulled(info) && !found.has(info.name)) continue;
    for (const { name } of chainOf(info, byName)) {
      if (used.has(name)) break;
      used.add(name);
    }
  }
  // A lease may name a snapshot that does not exist yet.
  for (const name of found) used.add(name);
  return used;
}

/** A snapshot and its ancestors. */
export function* chainOf(
  top: SnapshotInfo | undefined,
  byName: ReadonlyMap<string, SnapshotInfo>,
): Generator<SnapshotInfo> {
  for (let at = top; at !== undefined; at = byName.get(at.parent ?? '')) yield at;
}

export async function listSnapshots({ snapshots }: StoreParts): Promise<readonly SnapshotInfo[]> {
  const infos: SnapshotInfo[] = [];
  for await (const info of snapshots.walk()) infos.push(info);
  return infos;
}

async function heldByLeases({ content }: StoreParts): Promise<readonly LeaseResource[]> {
  const held: LeaseResource[] = [];
  // A lease that ends meanwhile ends after its image is recorded.
  for (const { id } of await content.leases.list())
    held.push(...((await ifFound(content.leases.resources(id))) ?? []));
  return held;
}

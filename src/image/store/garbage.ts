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
  /** Ingests go that nobody has written to for so many milliseconds. @default 24 hours */
  readonly ingestsIdleMs?: number | undefined;
  /** Nothing but these may go. @default anything */
  readonly only?:
    | { readonly blobs: ReadonlySet<string>; readonly snapshots: ReadonlySet<string> }
    | undefined;
}

/** What a garbage collection has deleted. */
export interface CollectResult {
  readonly blobs: readonly Digest[];
  /** Refs. */
  readonly ingests: readonly string[];
  /** Names. */
  readonly snapshots: readonly string[];
  /** What they took, together. */
  readonly bytes: number;
}

/**
 * Takes away what neither an image nor a lease leads to: blobs, ingests that nobody goes on with, and of the
 * snapshots those that a pull made. What is mounted, or has children, stays; so does all that somebody begins
 * to use meanwhile, in this process or another (`content/leases.ts`).
 *
 * @throws `signal.reason` when the signal asks for the end; what has gone is gone
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
    // Whoever counts on it has a lease on it, and then looks whether it is there with this lock.
    await snapshots.withLock(name, async () => {
      if ((await findUsed(parts, await heldByLeases(parts))).snapshots.has(name)) return;
      try {
        const usage = await snapshots.usage(name);
        await snapshots.remove(name);
        bytes += usage.bytes;
        names.push(name);
      } catch (error) {
        // Somebody has put one upon it, or removed it, right now.
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
 * What images, labels and leases lead to, and the snapshots that no pull made.
 *
 * @param held by leases. It is read before the images: a pull records its image before it ends its lease.
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

/** Digests of what the images name. */
export function imageRoots({ metadata }: StoreParts): string[] {
  return metadata.read((transaction) => listImages(transaction).map(({ target }) => target.digest));
}

/** Blobs that stay by a label of their own. */
export async function labelledRoots({ content }: StoreParts): Promise<string[]> {
  const roots: string[] = [];
  // Not by a filter, whose regular expressions take 20 ms to load.
  for await (const { digest, labels } of content.walk()) if (ROOT_LABEL in labels) roots.push(digest);
  return roots;
}

/** Blobs, all that their labels lead to, and the snapshots at the ends, without those below them. */
export async function followAll(
  parts: StoreParts,
  roots: readonly string[],
): Promise<{ readonly blobs: Set<string>; readonly snapshots: Set<string> }> {
  const [blobs, snapshots] = [new Set<string>(), new Set<string>()];
  for (const digest of roots) await follow(parts, digest, blobs, snapshots);
  return { blobs, snapshots };
}

/** A blob, and all that its labels lead to. */
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
    if (blob === undefined) continue; // it was not kept
    const references = referencesOf(blob.labels, snapshots.backend.name);
    todo.push(...references.content);
    for (const name of references.snapshots) found.add(name);
  }
}

/** A layer of an image, which goes when nothing needs it. */
export function isPulled({ kind, labels }: SnapshotInfo): boolean {
  return kind === 'committed' && LAYER_BLOB_LABEL in labels;
}

/** Snapshots in use: those found, those that no pull made, and all below them. */
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
  // One that a lease names may not be there yet.
  for (const name of found) used.add(name);
  return used;
}

/** A snapshot and all below it. */
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
  // One that has ended meanwhile ended after its image was recorded.
  for (const { id } of await content.leases.list())
    held.push(...((await ifFound(content.leases.resources(id))) ?? []));
  return held;
}

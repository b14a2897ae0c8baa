import type { AbortableOptions } from '../base/abort.js';
import { OverlayerError } from '../base/errors.js';
import type { LeaseResource } from '../content/leases.js';
import { type Digest, parseDigest } from '../oci/digest.js';
import type { SnapshotInfo } from '../snapshot/snapshotter.js';
import { listImages } from './image-records.js';
import { LAYER_BLOB_LABEL, ROOT_LABEL, referencesOf } from './labels.js';
import type { StoreParts } from './store-parts.js';

export interface CollectOptions extends AbortableOptions {
  /** Nothing but these may go. @default anything */
  readonly only?:
    | { readonly blobs: ReadonlySet<string>; readonly snapshots: ReadonlySet<string> }
    | undefined;
}

export interface CollectResult {
  readonly blobs: readonly Digest[];
  /** Refs. */
  readonly ingests: readonly string[];
  /** Names. */
  readonly snapshots: readonly string[];
  /** What they took, together. */
  readonly bytes: number;
}

interface Used {
  readonly blobs: ReadonlySet<string>;
  readonly snapshots: ReadonlySet<string>;
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
  { only, signal }: CollectOptions = {},
): Promise<CollectResult> {
  const swept = await parts.content.sweep(
    async (held) => {
      const { blobs } = await findUsed(parts, held);
      return (digest) => blobs.has(digest) || only?.blobs.has(digest) === false;
    },
    { signal },
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

/** Leases come first: whoever gives his up has recorded his image before. */
async function findUsed(parts: StoreParts, held: readonly LeaseResource[]): Promise<Used> {
  const blobs = new Set<string>();
  const found = new Set(held.filter(({ type }) => type === 'snapshot').map(({ id }) => id));
  const roots = parts.metadata.read((transaction) =>
    listImages(transaction).map(({ target }) => target.digest),
  );
  // Not by a filter, whose regular expressions take 20 ms to load.
  for await (const { digest, labels } of parts.content.walk()) if (ROOT_LABEL in labels) roots.push(digest);
  for (const digest of roots) await follow(parts, digest, blobs, found);
  for (const { type, id } of held) if (type === 'content') blobs.add(id);
  return { blobs, snapshots: withParents(await listSnapshots(parts), found) };
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
    try {
      const { labels } = await content.stat(parseDigest(digest));
      const references = referencesOf(labels, snapshots.backend.name);
      todo.push(...references.content);
      for (const name of references.snapshots) found.add(name);
    } catch (error) {
      // It was not kept.
      if (!OverlayerError.is(error) || error.code !== 'NotFound') throw error;
    }
  }
}

/** Snapshots in use: those found, those that no pull made, and all below them. */
function withParents(infos: readonly SnapshotInfo[], found: ReadonlySet<string>): ReadonlySet<string> {
  const byName = new Map(infos.map((info) => [info.name, info]));
  const used = new Set<string>();
  for (const info of infos) {
    if (info.kind === 'committed' && LAYER_BLOB_LABEL in info.labels && !found.has(info.name)) continue;
    for (
      let at: SnapshotInfo | undefined = info;
      at !== undefined && !used.has(at.name);
      at = byName.get(at.parent ?? '')
    )
      used.add(at.name);
  }
  // One that a lease names may not be there yet.
  for (const name of found) used.add(name);
  return used;
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

async function listSnapshots({ snapshots }: StoreParts): Promise<readonly SnapshotInfo[]> {
  const infos: SnapshotInfo[] = [];
  for await (const info of snapshots.walk()) infos.push(info);
  return infos;
}

async function heldByLeases({ content }: StoreParts): Promise<readonly LeaseResource[]> {
  const held: LeaseResource[] = [];
  for (const { id } of await content.leases.list())
    try {
      held.push(...(await content.leases.resources(id)));
    } catch (error) {
      // It was given up right now: after its image was recorded.
      if (!OverlayerError.is(error) || error.code !== 'NotFound') throw error;
    }
  return held;
}

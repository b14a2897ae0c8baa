import type { AbortableOptions } from '../../base/abort.js';
import { OverlayerError } from '../../base/errors.js';
import type { Digest } from '../../oci/digest.js';
import type { SnapshotInfo } from '../../snapshot/snapshotter.js';
import type { StoreParts } from './store-parts.js';
import { findUsed, heldByLeases, listSnapshots } from './used-content.js';

export interface CollectOptions extends AbortableOptions {
  /** Ingests go that nobody has written to for so many milliseconds. @default 24 hours */
  readonly ingestsIdleMs?: number | undefined;
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

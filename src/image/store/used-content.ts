import { ifFound } from '../../base/if-found.js';
import type { LeaseResource } from '../../content/leases.js';
import { parseDigest } from '../../oci/digest.js';
import type { SnapshotInfo } from '../../snapshot/snapshotter.js';
import { listImages } from './image-records.js';
import { LAYER_BLOB_LABEL, ROOT_LABEL, referencesOf } from './labels.js';
import type { StoreParts } from './store-parts.js';

export interface Used {
  readonly blobs: ReadonlySet<string>;
  readonly snapshots: ReadonlySet<string>;
}

/**
 * What images, labels and leases lead to, and the snapshots that no pull made.
 *
 * @param held by leases. It is read before the images: a pull records its image before it ends its lease.
 */
export async function findUsed(parts: StoreParts, held: readonly LeaseResource[]): Promise<Used> {
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

export async function heldByLeases({ content }: StoreParts): Promise<readonly LeaseResource[]> {
  const held: LeaseResource[] = [];
  // One that has ended meanwhile ended after its image was recorded.
  for (const { id } of await content.leases.list())
    held.push(...((await ifFound(content.leases.resources(id))) ?? []));
  return held;
}

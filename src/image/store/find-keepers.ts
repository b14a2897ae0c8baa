import { ifFound } from '../../base/if-found.js';
import { type Digest, parseDigest } from '../../oci/digest.js';
import type { SnapshotInfo } from '../../snapshot/snapshotter.js';
import { chainOf, followAll, imageRoots, isPulled, labelledRoots, listSnapshots } from './garbage.js';
import type { StoreParts } from './store-parts.js';

/** A lease, snapshot or blob that keeps data which no image uses. */
export interface Keeper {
  /** `blob`: has the label `containerd.io/gc.root`. `snapshot`: was not made by a pull. */
  readonly type: 'lease' | 'snapshot' | 'blob';
  /** Id of the lease, name of the snapshot, or digest of the blob. */
  readonly id: string;
  /** Id of the process whose end ends the lease. */
  readonly process?: number | undefined;
  /** Blobs that it keeps and no image uses. */
  readonly blobs: readonly Digest[];
  /** Names of snapshots of layers that it keeps and no image uses. */
  readonly snapshots: readonly string[];
  /** Disk space of these blobs and snapshots, in bytes. */
  readonly bytes: number;
}

/** Finds what keeps unused blobs and layers from collection. Data with two keepers counts for each. */
export async function findKeepers(parts: StoreParts): Promise<readonly Keeper[]> {
  const infos = await listSnapshots(parts);
  const byName = new Map(infos.map((info) => [info.name, info]));
  const layersBelow = (name: string): readonly SnapshotInfo[] =>
    [...chainOf(byName.get(name), byName)].filter(isPulled);
  const byImages = await followAll(parts, imageRoots(parts));
  const imageLayers = new Set([...byImages.snapshots].flatMap(layersBelow).map(({ name }) => name));
  const keepers: Keeper[] = [];
  const add = async (
    keeper: Pick<Keeper, 'type' | 'id' | 'process'>,
    blobs: readonly string[],
    tops: readonly string[],
  ): Promise<void> => {
    const layers = new Set(tops.flatMap(layersBelow).map(({ name }) => name));
    const kept = await measure(
      parts,
      blobs.filter((digest) => !byImages.blobs.has(digest)),
      [...layers].filter((name) => !imageLayers.has(name)),
    );
    if (kept.blobs.length > 0 || kept.snapshots.length > 0) keepers.push({ ...keeper, ...kept });
  };

  const { leases } = parts.content;
  for (const { id, process } of await leases.list()) {
    const held = (await ifFound(leases.resources(id))) ?? [];
    const named = (wanted: string) =>
      held.filter(({ type }) => type === wanted).map((resource) => resource.id);
    await add({ type: 'lease', id, process }, named('content'), named('snapshot'));
  }
  for (const id of await labelledRoots(parts)) {
    const { blobs, snapshots } = await followAll(parts, [id]);
    await add({ type: 'blob', id }, [...blobs], [...snapshots]);
  }
  for (const info of infos)
    if (!isPulled(info)) await add({ type: 'snapshot', id: info.name }, [], [info.name]);
  return keepers;
}

/** The blobs that are present, and the size of all. */
async function measure(
  { content, snapshots }: StoreParts,
  digests: readonly string[],
  names: readonly string[],
): Promise<Pick<Keeper, 'blobs' | 'snapshots' | 'bytes'>> {
  const blobs: Digest[] = [];
  let bytes = 0;
  for (const digest of digests.map(parseDigest)) {
    const blob = await content.find(digest);
    if (blob === undefined) continue;
    blobs.push(digest);
    bytes += blob.size;
  }
  for (const name of names) bytes += (await ifFound(snapshots.usage(name)))?.bytes ?? 0;
  return { blobs, snapshots: names, bytes };
}

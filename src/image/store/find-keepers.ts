import { ifFound } from '../../base/if-found.js';
import { type Digest, parseDigest } from '../../oci/digest.js';
import type { SnapshotInfo } from '../../snapshot/snapshotter.js';
import { chainOf, followAll, imageRoots, isPulled, labelledRoots, listSnapshots } from './garbage.js';
import type { StoreParts } from './store-parts.js';

/** What keeps data that no image leads to. */
export interface Keeper {
  /** `blob`: one that stays by its label `containerd.io/gc.root`. `snapshot`: one that no pull made. */
  readonly type: 'lease' | 'snapshot' | 'blob';
  /** Id of the lease, name of the snapshot, digest of the blob. */
  readonly id: string;
  /** The process that a lease ends with. */
  readonly process?: number | undefined;
  /** What it keeps: no image leads to any of it. */
  readonly blobs: readonly Digest[];
  /** Layers of images, by their names. */
  readonly snapshots: readonly string[];
  /** What that takes, together. */
  readonly bytes: number;
}

/** What else than images keeps blobs and layers from the collection; what two keep counts for each. */
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

/** Those that are there, and what they take. */
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

import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { OverlayerError } from '../base/errors.js';
import { letGoLayer } from '../layer/open-source.js';
import type { LayerResult, LayerSource, ReadLayerOptions } from '../layer/options.js';
import { type AppliedLayer, applyLayer } from '../layer/unpack-layer.js';
import type { Labels } from '../metadata/labels.js';
import type { DiffID } from '../oci/digest.js';
import { mappingLabels, ownerMap, withoutMapping } from './id-mapping.js';
import {
  DIFF_ID_LABEL,
  PARENT_CHAIN_ID_LABEL,
  SNAPSHOT_REF_LABEL,
  UNCOMPRESSED_LABEL,
  UNPACKING_LABEL,
} from './labels.js';
import { type Mount, withMount } from './mount.js';
import { hasKnownLayout, manifestOf } from './snapshot-tree.js';
import type { SnapshotInfo, Snapshotter } from './snapshotter.js';

export interface UnpackSnapshotOptions extends Omit<ReadLayerOptions, 'digests'> {
  /** Of the committed snapshot. For a layer of an image: its chainID. */
  readonly name: string;
  /** Name of the snapshot of the layer below. @default none: it is the lowest */
  readonly parent?: string | undefined;
  /** Beside those that say which layer it is. */
  readonly labels?: Labels | undefined;
}

export interface UnpackedSnapshot {
  readonly snapshot: SnapshotInfo;
  /** Undefined when the snapshot was there already, or the backend had the layer: the source was not read then. */
  readonly layer: LayerResult | undefined;
}

/**
 * Makes a committed snapshot of a layer: unpacks it straight into the snapshot's directory, with nothing mounted,
 * verifies it, brings it to the disk and commits it.
 *
 * Asked for twice at once, also by two processes, a layer is unpacked once: whoever is second waits, and gets the
 * snapshot of the first. A failure leaves nothing behind.
 *
 * The snapshot gets containerd's labels for a layer: `containerd.io/snapshot.ref`, `containerd.io/uncompressed`,
 * `containerd.io/snapshot/diff-id` and `containerd.io/snapshot/parent-chain-id` (core/unpack, unpacker.go).
 *
 * With the labels `containerd.io/snapshot/uidmapping` and `gidmapping` the layer is for containers in such a user
 * namespace. A backend whose mounts map owners (`remap-ids`) keeps it as the image has it, and the labels, which belong
 * on the containers' snapshots, are left out here. With any other its owners are those of the host, as if it were
 * unpacked in the namespace, and the snapshot has the labels to say so. A chain is of the one kind or the other.
 *
 * @throws OverlayerError as `unpackLayer` and `Snapshotter.prepare`, and
 *   - `AlreadyExists`: the name is taken by something else than this layer on this parent
 *   - `InvalidArgument`: labels that map ids and make no sense; an owner that they do not map
 *   - `FailedPrecondition`: the parent's owners are not mapped so
 * @throws `signal.reason` when the signal asks for the end
 *
 * @example
 * const { snapshot } = await unpackSnapshot(snapshots, 'layer.tar.gz', { name: chainID, parent: parentChainID });
 */
export async function unpackSnapshot(
  snapshots: Snapshotter,
  source: LayerSource,
  options: UnpackSnapshotOptions,
): Promise<UnpackedSnapshot> {
  let read = false;
  try {
    const wanted = mapOwners(snapshots, options);
    return await snapshots.withLock(
      options.name,
      async () => {
        const found = await findCommitted(snapshots, wanted);
        if (found !== undefined) return { snapshot: found, layer: undefined };
        await checkParentOwners(snapshots, wanted);
        return await unpackNew(snapshots, wanted, (mounts) => {
          read = true;
          return unpackOnto(snapshots, mounts, source, wanted);
        });
      },
      options,
    );
  } finally {
    if (!read) letGoLayer(source);
  }
}

async function unpackNew(
  snapshots: Snapshotter,
  options: UnpackSnapshotOptions,
  unpack: (mounts: readonly Mount[]) => Promise<AppliedLayer>,
): Promise<UnpackedSnapshot> {
  const { name, parent } = options;
  const key = temporaryKey(name);
  const labels = layerLabels(options, options.diffID);
  try {
    // Upon a parent the root is the parent's, whoever is to be root of the containers.
    const prepared = parent === undefined ? labels : withoutMapping(labels);
    const mounts = await snapshots.prepare(key, { parent, labels: { ...prepared, [UNPACKING_LABEL]: name } });
    return await orRemoved(snapshots, key, async () => {
      // Late: whoever unpacks layers alone need not wait for what reads mounts.
      const { isStaged } = await import('./unpack-place.js');
      const applied = isStaged(mounts) ? undefined : await unpack(mounts);
      const layer = applied?.layer;
      const committed = layerLabels(options, layer?.diffID ?? options.diffID);
      const described = applied?.described;
      return { snapshot: await snapshots.commit(key, { name, labels: committed, described }), layer };
    });
  } catch (error) {
    if (!OverlayerError.is(error) || error.code !== 'AlreadyExists') throw error;
    // The backend had it, or somebody else, who does not ask for the lock, was faster.
    const snapshot = await findCommitted(snapshots, options);
    if (snapshot === undefined) throw error;
    return { snapshot, layer: undefined };
  }
}

/** After a failure the active snapshot goes. Where that fails too, `cleanup` does it: the first error says more. */
async function orRemoved<T>(snapshots: Snapshotter, key: string, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    await snapshots.remove(key).catch(() => {});
    throw error;
  }
}

/** `commit` brings it to the disk. */
async function unpackOnto(
  snapshots: Snapshotter,
  mounts: readonly Mount[],
  source: LayerSource,
  options: UnpackSnapshotOptions,
): Promise<AppliedLayer> {
  const { digest, diffID, limits, gzip, signal, onProgress, parent, labels = {} } = options;
  const owners = ownerMap(labels);
  const reading = { digest, diffID, limits, gzip, signal, onProgress, owners, sync: false };
  const { unpackPlace } = await import('./unpack-place.js');
  const place = unpackPlace({ mounts, parent, capabilities: snapshots.backend.capabilities });
  if (place === undefined)
    return await withMount(mounts, (directory) =>
      applyLayer(source, directory, { ...reading, existing: 'merge', temporary: false }),
    );
  const { destination, ...how } = place;
  const manifest = hasKnownLayout(snapshots.backend.name) ? manifestOf(dirname(destination)) : undefined;
  return await applyLayer(source, destination, { ...reading, ...how, temporary: true, manifest });
}

/** @throws OverlayerError `AlreadyExists` */
async function findCommitted(
  snapshots: Snapshotter,
  { name, parent, diffID, labels }: UnpackSnapshotOptions,
): Promise<SnapshotInfo | undefined> {
  let found: SnapshotInfo;
  try {
    found = await snapshots.stat(name);
  } catch (error) {
    if (OverlayerError.is(error) && error.code === 'NotFound') return undefined;
    throw error;
  }
  const labelled = found.labels[UNCOMPRESSED_LABEL];
  const differs =
    found.kind !== 'committed'
      ? `it is ${found.kind}`
      : found.parent !== parent
        ? `its parent is ${found.parent === undefined ? 'none' : `"${found.parent}"`}`
        : diffID !== undefined && labelled !== undefined && labelled !== diffID
          ? `its layer has the diffID ${labelled}`
          : haveSameOwners(found.labels, labels)
            ? undefined
            : 'its owners are mapped otherwise';
  if (differs === undefined) return found;
  throw new OverlayerError('AlreadyExists', `Snapshot "${name}" already exists, and is another: ${differs}`);
}

function layerLabels(
  { name, parent, labels }: UnpackSnapshotOptions,
  diffID: DiffID | undefined,
): Record<string, string> {
  return {
    ...labels,
    [SNAPSHOT_REF_LABEL]: name,
    ...(parent === undefined ? {} : { [PARENT_CHAIN_ID_LABEL]: parent }),
    ...(diffID === undefined ? {} : { [DIFF_ID_LABEL]: diffID, [UNCOMPRESSED_LABEL]: diffID }),
  };
}

/** Labels that map ids stay where the layer itself is to have the owners that they say. */
function mapOwners(snapshots: Snapshotter, options: UnpackSnapshotOptions): UnpackSnapshotOptions {
  const { labels = {} } = options;
  ownerMap(labels); // whether they make sense
  const mountsMap = snapshots.backend.capabilities.includes('remap-ids');
  return mountsMap ? { ...options, labels: withoutMapping(labels) } : options;
}

/** @throws OverlayerError `FailedPrecondition` */
async function checkParentOwners(
  snapshots: Snapshotter,
  { parent, labels }: UnpackSnapshotOptions,
): Promise<void> {
  if (parent === undefined || haveSameOwners((await snapshots.stat(parent)).labels, labels)) return;
  throw new OverlayerError(
    'FailedPrecondition',
    `The owners of the parent "${parent}" are mapped otherwise`,
    {
      hint: 'unpack all layers of an image with the same labels',
    },
  );
}

function haveSameOwners(a: Labels, b: Labels = {}): boolean {
  return isDeepStrictEqual(mappingLabels(a), mappingLabels(b));
}

/** In containerd's form (`extract-<nanoseconds>-<random> <chainID>`), by which its users know what it is. */
function temporaryKey(name: string): string {
  const nanoseconds = process.hrtime.bigint() % 1_000_000_000n;
  return `extract-${nanoseconds}-${Math.random().toString(36).slice(2, 8)} ${name}`;
}

import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { AbortableOptions } from '../base/abort.js';
import { OverlayerError } from '../base/errors.js';
import type { LayerProgress, LayerResult, LayerSource, ReadLayerOptions } from '../layer/options.js';
import { type AppliedLayer, type ApplyLayerOptions, applyLayer } from '../layer/unpack-layer.js';
import type { Labels } from '../metadata/labels.js';
import type { DiffID } from '../oci/digest.js';
import { describeLayer } from './describe-contents.js';
import { EarlyFlush } from './early-flush.js';
import { FlushPoint } from './flush-point.js';
import { mappingLabels, ownerMap, withoutMapping } from './id-mapping.js';
import {
  DIFF_ID_LABEL,
  PARENT_CHAIN_ID_LABEL,
  SNAPSHOT_REF_LABEL,
  UNCOMPRESSED_LABEL,
  UNPACKING_LABEL,
} from './labels.js';
import { type Mount, withMount } from './mount.js';
import { hasKnownLayout } from './snapshot-tree.js';
import type { SnapshotInfo, Snapshotter } from './snapshotter.js';
import { temporaryKey } from './temporary-key.js';
import { treeThreads } from './tree-threads.js';
import type { UnpackPlace } from './unpack-place.js';

export interface FillSnapshotOptions extends AbortableOptions {
  /** Of the committed snapshot. */
  readonly name: string;
  readonly parent?: string | undefined;
  readonly labels?: Labels | undefined;
  readonly diffID?: DiffID | undefined;
  /**
   * Settles when the parent is committed; the layer is unpacked meanwhile, which takes a backend with `rebase`.
   * @default the parent is there
   */
  readonly parentCommitted?: Promise<unknown> | undefined;
  /**
   * Opens the layer and hands it to `unpack`; the layer is verified when both are done. Only called when there
   * is no such snapshot; and a second time for a layer that turns out to depend on what its parent holds.
   */
  readonly fill: (unpack: Unpack) => Promise<LayerResult>;
}

export type Unpack = (source: LayerSource, options: UnpackOptions) => Promise<LayerResult>;

export type UnpackOptions = Omit<ReadLayerOptions, 'digests'>;

export interface UnpackedSnapshot {
  readonly snapshot: SnapshotInfo;
  /** Undefined when the snapshot was there already, or the backend had the layer: the source was not read then. */
  readonly layer: LayerResult | undefined;
}

/**
 * What `unpackSnapshot` does, for whoever opens the layer only when it is needed, or before its parent is
 * there.
 */
export async function fillSnapshot(
  snapshots: Snapshotter,
  given: FillSnapshotOptions,
): Promise<UnpackedSnapshot> {
  const options = mapOwners(snapshots, given);
  return await snapshots.withLock(
    options.name,
    async () => {
      const found = await findCommitted(snapshots, options);
      if (found !== undefined) return { snapshot: found, layer: undefined };
      if (options.parentCommitted === undefined) return await fillNew(snapshots, options);
      try {
        return await fillNew(snapshots, options);
      } catch (error) {
        if (!OverlayerError.is(error) || error.code !== 'FailedPrecondition') throw error;
        // Perhaps since it needs the layers below.
        await options.parentCommitted;
        return await fillNew(snapshots, { ...options, parentCommitted: undefined });
      }
    },
    options,
  );
}

async function fillNew(snapshots: Snapshotter, options: FillSnapshotOptions): Promise<UnpackedSnapshot> {
  const { name, parent, parentCommitted } = options;
  const key = temporaryKey(name);
  const lowersLater = parentCommitted !== undefined;
  const labels = layerLabels(options, options.diffID);
  if (!lowersLater) await checkParentOwners(snapshots, options);
  try {
    // Upon a parent the root is the parent's, whoever is to be root of the containers.
    const prepared = parent === undefined ? labels : withoutMapping(labels);
    const mounts = await snapshots.prepare(key, {
      parent: lowersLater ? undefined : parent,
      labels: { ...prepared, [UNPACKING_LABEL]: name },
    });
    return await orRemoved(snapshots, key, async () => {
      // Late: whoever unpacks layers alone need not wait for what reads mounts.
      const { isStaged, unpackPlace } = await import('./unpack-place.js');
      const { capabilities } = snapshots.backend;
      const place = unpackPlace({ mounts, parent: lowersLater ? undefined : parent, capabilities });
      using start = place && new FlushPoint(dirname(place.destination));
      // For `describeLayer`: they start while the layer is unpacked, which takes 40 ms less of a small one.
      if (start !== undefined) treeThreads.warmUp(2);
      let applied: AppliedLayer | undefined;
      const early = start && new EarlyFlush(start.directory);
      const unpack: Unpack = async (source, { digest, diffID, limits, gzip, signal, ...given }) => {
        const onProgress = (progress: LayerProgress) => {
          early?.onProgress(progress);
          given.onProgress?.(progress);
        };
        const reading = { digest, diffID, limits, gzip, signal, onProgress };
        const how = { ...reading, owners: ownerMap(labels), sync: false };
        applied = await (place === undefined
          ? unpackThrough(mounts, source, how)
          : unpackInto(snapshots, place, source, { ...how, lowersLater }));
        return applied.layer;
      };
      const layer = isStaged(mounts) ? undefined : await options.fill(unpack);
      // Nobody else has the key: what is described now is so when it is committed.
      const described = start && applied && (await describeLayer(snapshots.backend, applied, start));
      if (lowersLater) {
        await parentCommitted;
        await checkParentOwners(snapshots, options);
      }
      const committed = layerLabels(options, layer?.diffID ?? options.diffID);
      const inheritsRoot = layer?.listsRoot === false;
      const snapshot = await snapshots.commit(key, {
        ...{ name, parent, inheritsRoot, described },
        labels: committed,
      });
      return { snapshot, layer };
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

type How = Omit<ApplyLayerOptions, 'temporary'>;

async function unpackThrough(mounts: readonly Mount[], source: LayerSource, how: How): Promise<AppliedLayer> {
  return await withMount(mounts, (directory) =>
    applyLayer(source, directory, { ...how, existing: 'merge', temporary: false }),
  );
}

/** `commit` brings it to the disk. */
async function unpackInto(
  { backend }: Snapshotter,
  { destination, ...place }: UnpackPlace,
  source: LayerSource,
  how: How,
): Promise<AppliedLayer> {
  const checksums = hasKnownLayout(backend.name);
  return await applyLayer(source, destination, { ...how, ...place, temporary: true, checksums });
}

/** @throws OverlayerError `AlreadyExists` */
async function findCommitted(
  snapshots: Snapshotter,
  { name, parent, diffID, labels }: FillSnapshotOptions,
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
  { name, parent, labels }: FillSnapshotOptions,
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
function mapOwners(snapshots: Snapshotter, options: FillSnapshotOptions): FillSnapshotOptions {
  const { labels = {} } = options;
  ownerMap(labels); // whether they make sense
  const mountsMap = snapshots.backend.capabilities.includes('remap-ids');
  return mountsMap ? { ...options, labels: withoutMapping(labels) } : options;
}

/** @throws OverlayerError `FailedPrecondition` */
async function checkParentOwners(
  snapshots: Snapshotter,
  { parent, labels }: FillSnapshotOptions,
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

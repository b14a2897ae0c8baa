import type { AbortableOptions } from '../../base/abort.js';
import { OverlayerError } from '../../base/errors.js';
import { needsLowers } from '../../layer/apply/lowers-later.js';
import type { DiffedLayer } from '../../layer/diff/diffed-layer.js';
import type { LayerResult, LayerSource, PlanLayerOptions, UnpackLayerOptions } from '../../layer/options.js';
import type { Labels } from '../../metadata/labels.js';
import type { Mount } from '../../mount/mount.js';
import type { DiffID } from '../../oci/digest.js';
import { haveSameOwners, ownerMap, withoutMapping } from '../backends/id-mapping.js';
import {
  DIFF_ID_LABEL,
  PARENT_CHAIN_ID_LABEL,
  SNAPSHOT_REF_LABEL,
  UNCOMPRESSED_LABEL,
  UNPACKING_LABEL,
} from '../labels.js';
import type { SnapshotInfo, Snapshotter } from '../snapshotter.js';
import { temporaryKey } from '../temporary-key.js';
import { isStaged } from './is-staged.js';
import { type Seal, sealed } from './seal.js';

interface FillSnapshotOptions extends AbortableOptions {
  /** Name of the committed snapshot. */
  readonly name: string;
  readonly parent?: string | undefined;
  readonly labels?: Labels | undefined;
  readonly diffID?: DiffID | undefined;
  /**
   * Settles when the parent is committed. The layer is unpacked before that, for which the backend needs `rebase`.
   * @default the parent is committed
   */
  readonly parentCommitted?: Promise<unknown> | undefined;
  /**
   * Opens the layer and passes it to `unpack`. The layer is verified when both have resolved. It is called only when there
   * is no such snapshot. It is called again for a layer that relies on its lower layers and was unpacked without them.
   */
  readonly fill: (unpack: Unpack) => Promise<LayerResult>;
}

export type Unpack<Source = LayerSource> = (source: Source, options: UnpackOptions) => Promise<LayerResult>;

/** Also takes a layer that is made meanwhile. */
type UnpackNew = Unpack<LayerSource | DiffedLayer>;

type UnpackOptions = Omit<PlanLayerOptions, 'digests'> & Pick<UnpackLayerOptions, 'thread'>;

/** The snapshot of a layer, and what was read to fill it. */
export interface UnpackedSnapshot {
  readonly snapshot: SnapshotInfo;
  /** Undefined when the snapshot existed or the backend supplied the layer. The source was not read then. */
  readonly layer: LayerResult | undefined;
}

/** `unpackSnapshot` for a layer that is opened only when it is needed, or is unpacked before its parent is committed. */
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
      if (options.parentCommitted === undefined) return await fillOrFind(snapshots, options);
      try {
        return await fillOrFind(snapshots, options);
      } catch (error) {
        if (!needsLowers(error)) throw error;
        await options.parentCommitted;
        return await fillOrFind(snapshots, { ...options, parentCommitted: undefined });
      }
    },
    options,
  );
}

/** A layer that was unpacked, and its snapshot. */
interface NewSnapshot {
  readonly diffID: DiffID;
  /** Name of the committed snapshot. */
  readonly name: string;
  readonly labels: Labels;
}

interface MakeSnapshotOptions<New> extends AbortableOptions {
  /** A committed snapshot. */
  readonly parent: string | undefined;
  /** Passes the layer to `unpack`. The layer is verified when both have resolved. */
  readonly fill: (unpack: UnpackNew) => Promise<New>;
}

/**
 * `fillSnapshot` for a layer that is made meanwhile: its name is known when it is unpacked. If another process has made the
 * same snapshot, that one stays.
 */
export async function makeSnapshot<New extends NewSnapshot>(
  snapshots: Snapshotter,
  { parent, fill, signal }: MakeSnapshotOptions<New>,
): Promise<New> {
  const key = temporaryKey('new');
  // The lock shows that the process lives: `cleanup` removes the snapshots of others.
  const work = async () => {
    const mounts = await snapshots.prepare(key, { parent, labels: { [UNPACKING_LABEL]: key }, signal });
    return await orRemoved(snapshots, key, async () => {
      const { layer, seal } = await fillMounts(snapshots, mounts, { parent, fill });
      const { name } = layer;
      const options = { ...layer, parent };
      await checkParentOwners(snapshots, options);
      const commit = async () => {
        if ((await findCommitted(snapshots, options)) === undefined) {
          const labels = layerLabels(options, layer.diffID);
          await snapshots.commit(key, sealed({ name, parent, labels, signal }, seal));
        } else await snapshots.remove(key);
      };
      await snapshots.withLock(name, commit, { signal });
      return layer;
    });
  };
  return await snapshots.withLock(key, work, { signal });
}

/**
 * Fills a snapshot that does not exist yet.
 *
 * @throws OverlayerError `AlreadyExists`: the backend had the layer, or another caller was faster
 */
async function fillNew(snapshots: Snapshotter, options: FillSnapshotOptions): Promise<UnpackedSnapshot> {
  const { name, parent, parentCommitted, signal } = options;
  const key = temporaryKey(name);
  const lowersLater = parentCommitted !== undefined;
  const labels = layerLabels(options, options.diffID);
  if (!lowersLater) await checkParentOwners(snapshots, options);
  // The root directory of a snapshot with a parent is the parent's, whichever owner the labels map to root.
  const prepared = parent === undefined ? labels : withoutMapping(labels);
  const mounts = await snapshots.prepare(key, {
    parent: lowersLater ? undefined : parent,
    labels: { ...prepared, [UNPACKING_LABEL]: name },
    signal,
  });
  return await orRemoved(snapshots, key, async () => {
    // `prepare` gave the key to no other caller: what is sealed now is still so when it is committed.
    const { layer, seal } = isStaged(mounts)
      ? { layer: undefined, seal: { inheritsRoot: false } }
      : await fillMounts(snapshots, mounts, options);
    if (lowersLater) {
      await parentCommitted;
      await checkParentOwners(snapshots, options);
    }
    const labels = layerLabels(options, layer?.diffID ?? options.diffID);
    const snapshot = await snapshots.commit(key, sealed({ name, parent, labels, signal }, seal));
    return { snapshot, layer };
  });
}

interface FillMountsOptions<T> extends Pick<FillSnapshotOptions, 'parent' | 'parentCommitted' | 'labels'> {
  readonly fill: (unpack: UnpackNew) => Promise<T>;
}

async function fillMounts<T>(
  { backend }: Snapshotter,
  mounts: readonly Mount[],
  { parent, parentCommitted, labels = {}, fill }: FillMountsOptions<T>,
): Promise<{ readonly layer: T; readonly seal: Seal }> {
  const lowersLater = parentCommitted !== undefined;
  // Late: a program that unpacks layers alone does not wait for what reads mounts and trees.
  const { beginFill } = await import('./layer-fill.js');
  using layerFill = beginFill(backend, mounts, lowersLater ? undefined : parent);
  const how = {
    owners: ownerMap(labels),
    sync: false,
    lowersLater: lowersLater ? 'refuse' : undefined,
  } as const;
  const layer = await fill(
    async (source, reading) => (await layerFill.apply(source, { ...reading, ...how })).layer,
  );
  return { layer, seal: await layerFill.seal() };
}

/** Removes the active snapshot after a failure. Where that fails too, `cleanup` does it: the first error says more. */
async function orRemoved<T>(snapshots: Snapshotter, key: string, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    await snapshots.remove(key).catch(() => {});
    throw error;
  }
}

function layerLabels(
  { name, parent, labels }: Pick<FillSnapshotOptions, 'name' | 'parent' | 'labels'>,
  diffID: DiffID | undefined,
): Record<string, string> {
  return {
    ...labels,
    [SNAPSHOT_REF_LABEL]: name,
    ...(parent === undefined ? {} : { [PARENT_CHAIN_ID_LABEL]: parent }),
    ...(diffID === undefined ? {} : { [DIFF_ID_LABEL]: diffID, [UNCOMPRESSED_LABEL]: diffID }),
  };
}

/** @throws OverlayerError `FailedPrecondition` */
async function checkParentOwners(
  snapshots: Snapshotter,
  { parent, labels }: Pick<FillSnapshotOptions, 'parent' | 'labels'>,
): Promise<void> {
  if (parent === undefined || haveSameOwners((await snapshots.stat(parent)).labels, labels)) return;
  throw new OverlayerError('FailedPrecondition', `The parent "${parent}" maps owners in another way`, {
    hint: 'unpack all layers of an image with the same labels',
  });
}

async function fillOrFind(snapshots: Snapshotter, options: FillSnapshotOptions): Promise<UnpackedSnapshot> {
  try {
    return await fillNew(snapshots, options);
  } catch (error) {
    if (!OverlayerError.is(error) || error.code !== 'AlreadyExists') throw error;
    // The backend had the layer, or another caller, which does not take the lock, was faster.
    const snapshot = await findCommitted(snapshots, options);
    if (snapshot === undefined) throw error;
    return { snapshot, layer: undefined };
  }
}

/** @throws OverlayerError `AlreadyExists` */
async function findCommitted(
  snapshots: Snapshotter,
  { name, parent, diffID, labels }: Pick<FillSnapshotOptions, 'name' | 'parent' | 'diffID' | 'labels'>,
): Promise<SnapshotInfo | undefined> {
  const found = await snapshots.find(name);
  if (found === undefined) return undefined;
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
            : 'it maps owners in another way';
  if (differs === undefined) return found;
  throw new OverlayerError('AlreadyExists', `Snapshot "${name}" already exists and differs: ${differs}`);
}

/** Keeps labels that map ids only if mounts can't map them: the files themselves get the mapped owners then. */
function mapOwners(snapshots: Snapshotter, options: FillSnapshotOptions): FillSnapshotOptions {
  const { labels = {} } = options;
  ownerMap(labels); // throws for invalid labels
  const mountsMap = snapshots.backend.capabilities.includes('remap-ids');
  return mountsMap ? { ...options, labels: withoutMapping(labels) } : options;
}

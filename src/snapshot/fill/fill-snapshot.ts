import type { AbortableOptions } from '../../base/abort.js';
import { OverlayerError } from '../../base/errors.js';
import { ifFound } from '../../base/if-found.js';
import type { LayerResult, LayerSource, PlanLayerOptions } from '../../layer/options.js';
import type { Labels } from '../../metadata/labels.js';
import type { DiffID } from '../../oci/digest.js';
import { haveSameOwners, ownerMap, withoutMapping } from '../backends/id-mapping.js';
import { UNCOMPRESSED_LABEL } from '../labels.js';
import type { SnapshotInfo, Snapshotter } from '../snapshotter.js';

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

export type UnpackOptions = Omit<PlanLayerOptions, 'digests'>;

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
      if (options.parentCommitted === undefined) return await fillOrFind(snapshots, options);
      try {
        return await fillOrFind(snapshots, options);
      } catch (error) {
        if (!OverlayerError.is(error) || error.code !== 'FailedPrecondition') throw error;
        // Perhaps since it needs the layers below.
        await options.parentCommitted;
        return await fillOrFind(snapshots, { ...options, parentCommitted: undefined });
      }
    },
    options,
  );
}

async function fillOrFind(snapshots: Snapshotter, options: FillSnapshotOptions): Promise<UnpackedSnapshot> {
  // Late: whoever unpacks layers alone need not wait for what reads mounts, and trees.
  const { fillNew } = await import('./fill-new.js');
  try {
    return await fillNew(snapshots, options);
  } catch (error) {
    if (!OverlayerError.is(error) || error.code !== 'AlreadyExists') throw error;
    // The backend had it, or somebody else, who does not ask for the lock, was faster.
    const snapshot = await findCommitted(snapshots, options);
    if (snapshot === undefined) throw error;
    return { snapshot, layer: undefined };
  }
}

/** @throws OverlayerError `AlreadyExists` */
async function findCommitted(
  snapshots: Snapshotter,
  { name, parent, diffID, labels }: FillSnapshotOptions,
): Promise<SnapshotInfo | undefined> {
  const found = await ifFound(snapshots.stat(name));
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
            : 'its owners are mapped otherwise';
  if (differs === undefined) return found;
  throw new OverlayerError('AlreadyExists', `Snapshot "${name}" already exists, and is another: ${differs}`);
}

/** Labels that map ids stay where the layer itself is to have the owners that they say. */
function mapOwners(snapshots: Snapshotter, options: FillSnapshotOptions): FillSnapshotOptions {
  const { labels = {} } = options;
  ownerMap(labels); // whether they make sense
  const mountsMap = snapshots.backend.capabilities.includes('remap-ids');
  return mountsMap ? { ...options, labels: withoutMapping(labels) } : options;
}

import { dirname } from 'node:path';
import { OverlayerError } from '../../base/errors.js';
import type { LayerProgress, LayerSource } from '../../layer/options.js';
import { type AppliedLayer, type ApplyLayerOptions, applyLayer } from '../../layer/unpack-layer.js';
import type { Mount } from '../../mount/mount.js';
import { withMount } from '../../mount/mounting.js';
import type { DiffID } from '../../oci/digest.js';
import { haveSameOwners, ownerMap, withoutMapping } from '../backends/id-mapping.js';
import {
  DIFF_ID_LABEL,
  PARENT_CHAIN_ID_LABEL,
  SNAPSHOT_REF_LABEL,
  UNCOMPRESSED_LABEL,
  UNPACKING_LABEL,
} from '../labels.js';
import type { Snapshotter } from '../snapshotter.js';
import { hasKnownLayout } from '../store/snapshot-tree.js';
import { temporaryKey } from '../temporary-key.js';
import { treeThreads } from '../trees/tree-threads.js';
import { describeLayer } from './describe-contents.js';
import { EarlyFlush } from './early-flush.js';
import type { FillSnapshotOptions, Unpack, UnpackedSnapshot } from './fill-snapshot.js';
import { FlushPoint } from './flush-point.js';
import { isStaged, type UnpackPlace, unpackPlace } from './unpack-place.js';

/**
 * Fills a snapshot that is not there yet.
 *
 * @throws OverlayerError `AlreadyExists`: the backend had the layer, or somebody else was faster
 */
export async function fillNew(
  snapshots: Snapshotter,
  options: FillSnapshotOptions,
): Promise<UnpackedSnapshot> {
  const { name, parent, parentCommitted } = options;
  const key = temporaryKey(name);
  const lowersLater = parentCommitted !== undefined;
  const labels = layerLabels(options, options.diffID);
  if (!lowersLater) await checkParentOwners(snapshots, options);
  // Upon a parent the root is the parent's, whoever is to be root of the containers.
  const prepared = parent === undefined ? labels : withoutMapping(labels);
  const mounts = await snapshots.prepare(key, {
    parent: lowersLater ? undefined : parent,
    labels: { ...prepared, [UNPACKING_LABEL]: name },
  });
  return await orRemoved(snapshots, key, async () => {
    const { capabilities } = snapshots.backend;
    const place = unpackPlace({ mounts, parent: lowersLater ? undefined : parent, capabilities });
    using start = place && new FlushPoint(dirname(place.destination));
    // For `describeLayer`: it starts while the layer is unpacked, which takes 40 ms less of a small one.
    if (start !== undefined) treeThreads.warmUp();
    let applied: AppliedLayer | undefined;
    const early = start && new EarlyFlush(start.directory);
    const unpack: Unpack = async (source, given) => {
      const onProgress = (progress: LayerProgress) => {
        early?.onProgress(progress);
        given.onProgress?.(progress);
      };
      const how = { ...given, onProgress, owners: ownerMap(labels), sync: false };
      applied = await (place === undefined
        ? unpackThrough(mounts, source, how)
        : unpackInto(snapshots, place, source, { ...how, lowersLater: lowersLater ? 'refuse' : undefined }));
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
  const facts = hasKnownLayout(backend.name);
  return await applyLayer(source, destination, { ...how, ...place, temporary: true, facts });
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

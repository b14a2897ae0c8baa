import { ifFound } from '../../base/if-found.js';
import { findErofsLayer } from '../../layer/erofs/read-erofs-layer.js';
import type { Mount } from '../../mount/mount.js';
import { shownLayers } from '../../mount/shown-layers.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import { openTemporaryView } from '../../snapshot/temporary-view.js';
import type { PlannedLayer } from '../pull/pull-event.js';

type LayerName = Pick<PlannedLayer, 'diffID' | 'chainID'>;

/**
 * Finds the layer files of an image's snapshots (backend `erofs`).
 *
 * @param layers lowest first
 * @param work gets their paths, in the same order
 * @returns undefined when the layers are not files, or not there
 */
export async function withLayerFiles<T>(
  snapshots: Snapshotter,
  layers: readonly LayerName[],
  work: (files: readonly string[]) => Promise<T>,
): Promise<T | undefined> {
  const chainID = layers.at(-1)?.chainID;
  if (chainID === undefined) return undefined;
  await using view = await ifFound(openTemporaryView(snapshots, chainID));
  const files = view && layerFilesOf(view.mounts, layers);
  return files && (await work(files));
}

/** @returns the files of the layers, lowest first; undefined when the mounts do not show these layers as files */
function layerFilesOf(mounts: readonly Mount[], layers: readonly LayerName[]): readonly string[] | undefined {
  const files = shownFiles(mounts);
  const isWhole =
    files.length === layers.length &&
    files.every((file, at) => findErofsLayer(file)?.diffID === layers[at]!.diffID);
  return isWhole ? files : undefined;
}

function shownFiles(mounts: readonly Mount[]): readonly string[] {
  // A view may have an empty directory over the layers.
  const files = (shownLayers(mounts) ?? []).filter(({ type }) => type === 'erofs');
  return files.map(({ path }) => path).reverse();
}

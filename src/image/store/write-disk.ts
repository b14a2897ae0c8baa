import { mkdtemp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { AbortableOptions } from '../../base/abort.js';
import { isCode } from '../../base/errors.js';
import { mergeErofsLayers } from '../../layer/erofs/merge-erofs-layers.js';
import { findErofsLayer } from '../../layer/erofs/read-erofs-layer.js';
import type { MergedErofsLayers } from '../../layer/options.js';
import { applyLayer } from '../../layer/unpack-layer.js';
import type { Mount } from '../../mount/mount.js';
import { shownLayers } from '../../mount/shown-layers.js';
import { UNMERGED_LABEL } from '../../snapshot/labels.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import { temporaryKey } from '../../snapshot/temporary-key.js';
import { toOverlayerError } from '../../system/errno-code.js';
import type { PlannedLayer } from '../pull/pull-event.js';
import { inLayer, openLayer } from '../source/blob-bytes.js';
import type { ImageSource } from '../source/image-source.js';

interface DiskImage {
  /** Lowest first. */
  readonly layers: readonly PlannedLayer[];
  readonly snapshots: Snapshotter;
  /** The blobs of the layers. */
  readonly source: ImageSource;
}

/** Writes the layers of an image as one EROFS file. See `Image.writeDisk`. */
export async function writeDisk(
  { layers, snapshots, source }: DiskImage,
  destination: string,
  options: AbortableOptions & { readonly sync?: boolean | undefined },
): Promise<MergedErofsLayers> {
  const write = (files: readonly string[]) =>
    mergeErofsLayers(files, destination, { ...options, form: 'disk' });
  const written = await withLayerFiles(snapshots, layers, write);
  return written ?? (await withMadeFiles(source, layers, { ...options, near: destination }, write));
}

/** @returns undefined when the layers of the snapshot are not files, or not there */
export async function withLayerFiles<T>(
  snapshots: Snapshotter,
  layers: readonly PlannedLayer[],
  work: (files: readonly string[]) => Promise<T>,
): Promise<T | undefined> {
  const chainID = layers.at(-1)?.chainID;
  if (chainID === undefined) return undefined;
  const key = temporaryKey(chainID, 'mount');
  let mounts: readonly Mount[];
  try {
    mounts = await snapshots.view(key, { parent: chainID, labels: { [UNMERGED_LABEL]: '' } });
  } catch (error) {
    if (isCode(error, 'NotFound')) return undefined;
    throw error;
  }
  try {
    const files = layerFilesOf(mounts, layers);
    return files && (await work(files));
  } finally {
    await snapshots.remove(key);
  }
}

/** @returns the files of the layers, lowest first; undefined when the mounts do not show these layers as files */
function layerFilesOf(
  mounts: readonly Mount[],
  layers: readonly PlannedLayer[],
): readonly string[] | undefined {
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

/** Makes the layer files from the blobs, beside the destination: the file system may then share their blocks with it. */
async function withMadeFiles<T>(
  source: ImageSource,
  layers: readonly PlannedLayer[],
  { near, signal }: AbortableOptions & { readonly near: string },
  work: (files: readonly string[]) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(dirname(near), '.overlayer-layers-')).catch((error: unknown) => {
    throw toOverlayerError(error, `Cannot write to "${near}"`);
  });
  try {
    const files: string[] = [];
    for (const { descriptor, diffID } of layers) {
      const file = join(directory, `${files.length}.erofs`);
      const { bytes } = await openLayer(source, descriptor, { signal });
      const { digest } = descriptor;
      await applyLayer(bytes, file, {
        ...{ digest, diffID, signal, sync: false, target: 'erofs', temporary: true },
        lowers: [...files].reverse(),
      }).catch((error: unknown) => {
        throw inLayer(digest, error);
      });
      files.push(file);
    }
    return await work(files);
  } finally {
    await rm(directory, { recursive: true });
  }
}

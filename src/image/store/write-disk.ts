import { mkdtemp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { AbortableOptions } from '../../base/abort.js';
import { mergeErofsLayers } from '../../layer/erofs/merge-erofs-layers.js';
import type { MergedErofsLayers } from '../../layer/options.js';
import { applyLayer } from '../../layer/unpack-layer.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import { toOverlayerError } from '../../system/errno-code.js';
import type { PlannedLayer } from '../pull/pull-event.js';
import { inLayer, openLayer } from '../source/blob-bytes.js';
import type { ImageSource } from '../source/image-source.js';
import { withLayerFiles } from './with-layer-files.js';

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

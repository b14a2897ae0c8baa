import { join } from 'node:path';
import type { AbortableOptions } from '../../base/abort.js';
import { mergeErofsLayers } from '../../layer/erofs/merge-erofs-layers.js';
import type { MergedErofsLayers } from '../../layer/options.js';
import { applyLayer } from '../../layer/unpack-layer.js';
import { DestinationFile } from '../../rootfs/destination-file.js';
import { openLinuxSystem } from '../../system/linux.js';
import type { PlannedLayer } from '../pull/pull-event.js';
import { inLayer, openLayer } from '../source/blob-bytes.js';
import type { ImageSource } from '../source/image-source.js';
import type { StoreParts } from './store-parts.js';
import { withLayerFiles } from './with-layer-files.js';

interface DiskImage {
  /** Lowest first. */
  readonly layers: readonly PlannedLayer[];
  readonly source: ImageSource;
}

/** Writes the layers of an image as one EROFS file. See `Image.writeDisk`. */
export async function writeDisk(
  parts: Pick<StoreParts, 'snapshots' | 'directories'>,
  image: DiskImage,
  destination: string,
  options: AbortableOptions & { readonly sync?: boolean | undefined },
): Promise<MergedErofsLayers> {
  const write = (files: readonly string[]) =>
    mergeErofsLayers(files, destination, { ...options, form: 'disk' });
  const written = await withLayerFiles(parts.snapshots, image.layers, write);
  return written ?? (await withMadeFiles(parts.directories, image, { ...options, destination }, write));
}

/** Makes the layer files from the blobs, in a directory of the store. */
async function withMadeFiles<T>(
  directories: StoreParts['directories'],
  { layers, source }: DiskImage,
  { destination, signal }: AbortableOptions & { readonly destination: string },
  work: (files: readonly string[]) => Promise<T>,
): Promise<T> {
  // Refuses a destination before the layers are read.
  DestinationFile.open(openLinuxSystem(), destination).discard();
  const staged = directories.stage();
  try {
    const files: string[] = [];
    for (const { descriptor, diffID } of layers) {
      const file = join(staged.path, `${files.length}.erofs`);
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
    await staged.discard();
    staged.release();
  }
}

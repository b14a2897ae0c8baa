import type { AbortableOptions } from '../../base/abort.js';
import { checkArgument, checkMethod, checkOptions, type OptionNames } from '../../base/check-arguments.js';
import { DataTask, type Task } from '../../base/task.js';
import type { ContentStore } from '../../content/content-store.js';
import type { DiffID } from '../../oci/digest.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import type { SourceImage } from '../source/image-source.js';

export interface ExportOptions extends AbortableOptions {
  /**
   * Snapshots of the images' layers. A layer whose blob was discarded is read from its layer file (backend `erofs`).
   * @default all blobs are needed
   */
  readonly snapshots?: Snapshotter | undefined;
}

const EXPORT_OPTIONS = { signal: true, snapshots: true } satisfies OptionNames<ExportOptions>;

/** What was written. */
export interface ExportResult {
  /** Size of the archive in bytes. */
  readonly size: number;
  /** DiffIDs of the layers that were written as plain tars, because their blobs were discarded. */
  readonly plainLayers: readonly DiffID[];
}

/**
 * Writes images as an archive in the OCI layout. `docker load` reads it too: the archive also has a `manifest.json`. Blobs
 * are copied byte for byte, so all digests stay the same. A layer whose blob was discarded is written as its tar if the
 * snapshots are layer files: the config stays the same, and the manifest has another digest. Of an image for several
 * platforms, the platforms in the store are written. The same images always give the same bytes, in whatever order they are
 * given (containerd, core/images/archive).
 *
 * The blobs must stay in the store until the task ends: record the images, or hold a lease.
 *
 * @param images descriptors and names of the images
 * @returns a task whose events are the bytes of the archive. Do not use these bytes when the task fails. Awaited without a
 *   loop, the task only verifies the blobs.
 * @throws OverlayerError
 *   - `InvalidArgument`: `images` is empty
 *   - `NotFound`: an image, or a part of it, is not in the store
 *   - `DataLoss`: a blob is damaged
 * @throws `signal.reason` when the signal aborts
 *
 * @example
 * await pipeline(exportImages(content, images), createWriteStream('image.tar'));
 */
export function exportImages(
  content: ContentStore,
  images: readonly SourceImage[],
  options: ExportOptions = {},
): Task<ExportResult, Uint8Array> {
  return new DataTask(async function* () {
    checkOptions('exportImages', options, EXPORT_OPTIONS);
    checkMethod('content', content, 'path');
    checkArgument('images', images, 'list');
    // Loaded when used: the public entry stays small.
    const { findImages, writeImageArchive } = await import('./write-image-archive.js');
    let size = 0;
    const found = await findImages(content, images, options);
    for await (const bytes of writeImageArchive(found)) {
      size += bytes.length;
      yield bytes;
    }
    return { size, plainLayers: [...new Set(found.flatMap(({ plainLayers }) => plainLayers))] };
  });
}

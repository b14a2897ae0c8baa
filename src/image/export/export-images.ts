import { ABORTABLE_OPTIONS, type AbortableOptions } from '../../base/abort.js';
import { checkOptions } from '../../base/check-arguments.js';
import { DataTask, type Task } from '../../base/task.js';
import type { ContentStore } from '../../content/content-store.js';
import type { SourceImage } from '../source/image-source.js';

/** What was written. */
export interface ExportResult {
  /** Bytes of the archive. */
  readonly size: number;
}

/**
 * Writes images as an archive with the OCI layout, which docker can load, too: a `manifest.json` stands beside the index.
 * Its blobs are those of the images, byte for byte, so all digests stay as they are; of an image for several platforms
 * those that are there. The same images always give the same bytes, whatever their order (containerd, core/images/archive).
 *
 * Nothing may take the blobs away meanwhile: the images are recorded, or the caller has a lease.
 *
 * @param images with their names
 * @returns a task whose events are the bytes of the archive. After a failure the bytes that came before are not to be used.
 *   Awaited without a loop, it verifies what would be exported.
 * @throws OverlayerError
 *   - `InvalidArgument`: no images
 *   - `NotFound`: an image is not there, or not whole
 *   - `DataLoss`: a blob is damaged
 * @throws `signal.reason` when the signal asks for the end
 *
 * @example
 * await pipeline(exportImages(content, images), createWriteStream('image.tar'));
 */
export function exportImages(
  content: ContentStore,
  images: readonly SourceImage[],
  options: AbortableOptions = {},
): Task<ExportResult, Uint8Array> {
  return new DataTask(async function* () {
    checkOptions('exportImages', options, ABORTABLE_OPTIONS);
    // Late, as all that the public entry need not load at once.
    const { writeImageArchive } = await import('./write-image-archive.js');
    let size = 0;
    for await (const bytes of writeImageArchive(content, images, options)) {
      size += bytes.length;
      yield bytes;
    }
    return { size };
  });
}

import type { AbortableOptions } from '../../base/abort.js';
import type { ContentStore } from '../../content/content-store.js';
import type { SourceImage } from '../source/image-source.js';

/**
 * Writes images as an archive with the OCI layout, which docker can load, too: a `manifest.json` stands beside the index.
 * Its blobs are those of the images, byte for byte, so all digests stay as they are; of an image for several platforms
 * those that are there. The same images always give the same bytes, whatever their order (containerd, core/images/archive).
 *
 * Nothing may take the blobs away meanwhile: the images are recorded, or the caller has a lease.
 *
 * @param images with their names
 * @returns the archive's bytes. An error in their midst means that what came before is not to be used
 * @throws OverlayerError
 *   - `InvalidArgument`: no images
 *   - `NotFound`: an image is not there, or not whole
 *   - `DataLoss`: a blob is damaged
 * @throws `signal.reason` when the signal asks for the end
 *
 * @example
 * await pipeline(exportImages(content, images), createWriteStream('image.tar'));
 */
export async function* exportImages(
  content: ContentStore,
  images: readonly SourceImage[],
  options: AbortableOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  // Late, as all that the public entry need not load at once.
  const { writeImageArchive } = await import('./write-image-archive.js');
  yield* writeImageArchive(content, images, options);
}

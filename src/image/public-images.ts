import type { AbortableOptions } from '../base/abort.js';
import type { ByteSource } from '../base/byte-source.js';
import type { ContentStore } from '../content/content-store.js';
import type { OpenImageArchiveOptions } from './image-archive.js';
import type { OpenImagesOptions } from './image-layout.js';
import type { ImageSource, SourceImage } from './image-source.js';
import type { PullEvent } from './pull/pull-event.js';
import { Task } from './task.js';
import type { UnpackedImage, UnpackImageOptions } from './unpack-image.js';

// What does the work is loaded when it is called for: that takes 70 ms, and whoever unpacks a layer need not wait.

/**
 * The images in a directory with the OCI layout (OCI image spec, image-layout.md), as skopeo, umoci and buildah write it.
 *
 * @throws OverlayerError
 *   - `NotFound`: there is no such directory, or no such image in it
 *   - `InvalidArgument`: it is no layout, or its index is malformed
 *   - `Unimplemented`: a layout of another version
 *   - `PermissionDenied`
 */
export async function openImageLayout(
  directory: string,
  options: OpenImagesOptions = {},
): Promise<ImageSource> {
  return await (await import('./image-layout.js')).openImageLayout(directory, options);
}

/**
 * The images of an archive: an OCI layout as tar, or what `docker save` writes; plain, gzip or zstd. Of both forms in one
 * the OCI layout counts, as for containerd. A plain regular file is read where it is: only its headers now.
 *
 * @throws OverlayerError
 *   - `NotFound`: there is no such file, no such image in it, or a part of an image is missing
 *   - `InvalidArgument`: it is not an archive of images, or malformed
 *   - `DataLoss`: it is cut off or damaged
 *   - `FailedPrecondition`: it needs a content store
 *   - `Unimplemented`: another compression; images saved by docker before 1.10
 *   - `ResourceExhausted`: bounds on documents, members, and compression ratio
 *   - `PermissionDenied`
 * @throws `signal.reason` when the signal asks for the end
 */
export async function openImageArchive(
  source: string | ByteSource,
  options: OpenImageArchiveOptions = {},
): Promise<ImageSource> {
  return await (await import('./image-archive.js')).openImageArchive(source, options);
}

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
  yield* (await import('./export-images.js')).exportImages(content, images, options);
}

/**
 * Unpacks an image into one directory, without a store: its layers upon one another, in order, each verified.
 * The directory appears only once all of it is there, verified and synced; an empty directory that exists is
 * filled, and is empty again after a failure.
 *
 * @throws OverlayerError as `unpackLayer`; `InvalidArgument` when the source has several images; and as the source
 * @throws `signal.reason` when the signal asks for the end
 *
 * @example
 * await using source = await openImageLayout('debian');
 * const { platform } = await unpackImage(source, 'rootfs');
 */
export function unpackImage(
  source: ImageSource,
  directory: string,
  options: UnpackImageOptions = {},
): Task<UnpackedImage, PullEvent> {
  return new Task(async (tell) =>
    (await import('./unpack-image.js')).unpackMerged(source, directory, options, tell),
  );
}

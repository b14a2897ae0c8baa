import type { ByteSource } from '../../base/byte-source.js';
import { checkOptions, checkPath, type OptionNames } from '../../base/check-arguments.js';
import type { OpenImageArchiveOptions } from '../archive/image-archive.js';
import { type ImageSource, OPEN_IMAGES_OPTIONS, type OpenImagesOptions } from './image-source.js';

/**
 * Opens a directory in the OCI layout (OCI image spec, image-layout.md). skopeo, umoci and buildah write such directories.
 *
 * @throws OverlayerError
 *   - `NotFound`: the directory, or an image of `names`, does not exist
 *   - `InvalidArgument`: the directory is not a layout, or its index is malformed
 *   - `Unimplemented`: the layout has another version than 1
 *   - `PermissionDenied`
 */
export async function openImageLayout(
  directory: string,
  options: OpenImagesOptions = {},
): Promise<ImageSource> {
  checkOptions('openImageLayout', options, OPEN_IMAGES_OPTIONS);
  checkPath('directory', directory);
  // Loaded when used: the public entry stays small.
  const { readImageLayout } = await import('./image-layout.js');
  return await readImageLayout(directory, options);
}

const OPEN_IMAGE_ARCHIVE_OPTIONS = {
  ...OPEN_IMAGES_OPTIONS,
  content: true,
  lease: 'string',
  scratch: 'path',
} satisfies OptionNames<OpenImageArchiveOptions>;

/**
 * Opens the images of an archive: an OCI layout as tar, or the output of `docker save`; uncompressed, gzip or zstd. An
 * archive in both forms is read as an OCI layout, as containerd does. Of an uncompressed regular file only the headers are
 * read now; blobs are read in place later.
 *
 * @param source the archive's path, its `file:` URL, or its bytes
 *
 * @throws OverlayerError
 *   - `NotFound`: the file, the image or a part of the image does not exist
 *   - `InvalidArgument`: the archive holds no images, or is malformed
 *   - `DataLoss`: the archive is truncated or damaged
 *   - `FailedPrecondition`: a stream or a compressed archive needs `content` or `scratch`
 *   - `Unimplemented`: another compression; images saved by docker before 1.10
 *   - `ResourceExhausted`: a document, the number of members or the compression ratio exceeds its limit
 *   - `PermissionDenied`
 * @throws `signal.reason` when the signal aborts
 */
export async function openImageArchive(
  source: string | URL | ByteSource,
  options: OpenImageArchiveOptions = {},
): Promise<ImageSource> {
  checkOptions('openImageArchive', options, OPEN_IMAGE_ARCHIVE_OPTIONS);
  if (typeof source === 'string') checkPath('source', source);
  // Loaded when used: the public entry stays small.
  const { readImageArchive } = await import('../archive/image-archive.js');
  return await readImageArchive(source, options);
}

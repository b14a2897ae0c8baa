import type { ByteSource } from '../../base/byte-source.js';
import { checkOptions, type OptionNames } from '../../base/check-arguments.js';
import type { ContentStore } from '../../content/content-store.js';
import type { ImageSource } from '../source/image-source.js';
import { OPEN_IMAGES_OPTIONS, type OpenImagesOptions } from '../source/open-image-layout.js';

export interface OpenImageArchiveOptions extends OpenImagesOptions {
  /** Where blobs are kept of an archive that is a stream, or compressed as a whole. @default none: then `scratch` */
  readonly content?: ContentStore | undefined;
  /** Id of a lease that keeps those blobs from the garbage collection. @default none: then nobody may collect meanwhile */
  readonly lease?: string | undefined;
  /**
   * A directory on whose file system those blobs are kept without a content store, in a file without a name, until the
   * source is closed. It needs room for all of them.
   * @default none: then only blobs that are small can be kept, in memory
   */
  readonly scratch?: string | undefined;
}

const OPEN_IMAGE_ARCHIVE_OPTIONS = {
  ...OPEN_IMAGES_OPTIONS,
  content: true,
  lease: true,
  scratch: true,
} satisfies OptionNames<OpenImageArchiveOptions>;

/**
 * The images of an archive (its path, its `file:` URL, or its bytes): an OCI layout as tar, or what `docker save` writes; plain, gzip or zstd. Of both forms in one
 * the OCI layout counts, as for containerd. A plain regular file is read where it is: only its headers now.
 *
 * @throws OverlayerError
 *   - `NotFound`: there is no such file, no such image in it, or a part of an image is missing
 *   - `InvalidArgument`: it is not an archive of images, or malformed
 *   - `DataLoss`: it is cut off or damaged
 *   - `FailedPrecondition`: it needs a content store, or a scratch directory
 *   - `Unimplemented`: another compression; images saved by docker before 1.10
 *   - `ResourceExhausted`: bounds on documents, members, and compression ratio
 *   - `PermissionDenied`
 * @throws `signal.reason` when the signal asks for the end
 */
export async function openImageArchive(
  source: string | URL | ByteSource,
  options: OpenImageArchiveOptions = {},
): Promise<ImageSource> {
  checkOptions('openImageArchive', options, OPEN_IMAGE_ARCHIVE_OPTIONS);
  // Late, as all that the public entry need not load at once.
  const { readImageArchive } = await import('./image-archive.js');
  return await readImageArchive(source, options);
}

import { checkChoice, checkOptions, type OptionNames } from '../../base/check-arguments.js';
import type { ImageArchiveFormat } from './archive-target.js';
import type { ImageTarget } from './image-target.js';

/**
 * Opens a directory for images in the OCI layout (OCI image spec, image-layout.md). It is made if it does not exist. A layout
 * that is there gets more images; an image that has the same name is replaced. Several processes may write to one layout: an
 * image and its blobs appear together, whole and on disk. `close` removes all that has no name.
 *
 * A canonical reference (`docker.io/library/debian:12`) is named by its tag, and in containerd's annotation. Other names stay
 * as they are.
 *
 * @throws OverlayerError
 *   - `InvalidArgument`: the directory has other files
 *   - `PermissionDenied`
 */
export async function createImageLayout(directory: string): Promise<ImageTarget> {
  // Loaded when used: the public entry stays small.
  const { LayoutTarget } = await import('./layout-target.js');
  return await LayoutTarget.open(directory);
}

/** The form of a new archive. */
export interface CreateImageArchiveOptions {
  /** @default `oci-archive` */
  readonly format?: ImageArchiveFormat | undefined;
}

const CREATE_IMAGE_ARCHIVE_OPTIONS = { format: 'string' } satisfies OptionNames<CreateImageArchiveOptions>;
const FORMATS = ['oci-archive', 'docker-archive'] as const satisfies readonly ImageArchiveFormat[];

/**
 * Opens a file for images. It appears, or replaces the file that has its name, when `copyImage` has written all of it to the
 * disk; so it takes one copy. `close` removes an archive that is not complete.
 *
 * `exportImages` writes an archive that is both forms in one, as a stream.
 *
 * @throws OverlayerError `NotFound`: its directory does not exist; `PermissionDenied`
 */
export async function createImageArchive(
  file: string,
  options: CreateImageArchiveOptions = {},
): Promise<ImageTarget> {
  checkOptions('createImageArchive', options, CREATE_IMAGE_ARCHIVE_OPTIONS);
  const { format = 'oci-archive' } = options;
  checkChoice('format', format, FORMATS);
  // Loaded when used: the public entry stays small.
  const { ArchiveTarget } = await import('./archive-target.js');
  return await ArchiveTarget.open(file, format);
}

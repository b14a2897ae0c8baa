import { checkOptions } from '../../base/check-arguments.js';
import { type ImageSource, OPEN_IMAGES_OPTIONS, type OpenImagesOptions } from './image-source.js';

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
  checkOptions('openImageLayout', options, OPEN_IMAGES_OPTIONS);
  // Late, as all that the public entry need not load at once.
  const { readImageLayout } = await import('./image-layout.js');
  return await readImageLayout(directory, options);
}

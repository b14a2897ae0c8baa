import { checkOptions } from '../../base/check-arguments.js';
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
  // Loaded when used: the public entry stays small.
  const { readImageLayout } = await import('./image-layout.js');
  return await readImageLayout(directory, options);
}

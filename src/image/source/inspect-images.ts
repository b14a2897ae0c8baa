import type { AbortableOptions } from '../../base/abort.js';
import type { Platform } from '../../oci/platform.js';
import type { ImageContents } from './image-contents.js';
import type { ImageSource, SourceImage } from './image-source.js';

export interface InspectImagesOptions extends AbortableOptions {
  /** @default that of this host */
  readonly platform?: Platform | undefined;
}

export interface InspectedImage extends SourceImage, ImageContents {}

/**
 * What the images of a source are made of, by their documents alone: no layer is read, and no verifier asked.
 *
 * @throws OverlayerError as `unpackImage` for an image's documents; and as the source
 */
export async function inspectImages(
  source: ImageSource,
  options: InspectImagesOptions = {},
): Promise<readonly InspectedImage[]> {
  // Late, as all that the public entry need not load at once.
  const { readSourceImages } = await import('./image-contents.js');
  return await readSourceImages(source, options);
}

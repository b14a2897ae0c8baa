import type { AbortableOptions } from '../../base/abort.js';
import { checkOptions, type OptionNames } from '../../base/check-arguments.js';
import type { Platform } from '../../oci/platform.js';
import type { ImageContents } from './image-contents.js';
import { checkImageSource, type ImageSource, type SourceImage } from './image-source.js';

export interface InspectImagesOptions extends AbortableOptions {
  /** @default that of this host */
  readonly platform?: Platform | undefined;
}

const INSPECT_IMAGES_OPTIONS = {
  signal: true,
  platform: 'object',
} satisfies OptionNames<InspectImagesOptions>;

export interface InspectedImage extends SourceImage, ImageContents {}

/**
 * Reads the manifest and config of each image of a source. Reads no layer, and asks no verifier.
 *
 * @throws OverlayerError as `unpackImage` for an image's documents, and as the methods of the source
 */
export async function inspectImages(
  source: ImageSource,
  options: InspectImagesOptions = {},
): Promise<readonly InspectedImage[]> {
  checkOptions('inspectImages', options, INSPECT_IMAGES_OPTIONS);
  checkImageSource(source);
  // Loaded when used: the public entry stays small.
  const { readSourceImages } = await import('./image-contents.js');
  return await readSourceImages(source, options.platform, options);
}

import type { AbortableOptions } from '../../base/abort.js';
import { checkOptions, type OptionNames } from '../../base/check-arguments.js';
import type { Platform } from '../../oci/platform.js';
import type { ImageContents } from './image-contents.js';
import type { ImageSource, SourceImage } from './image-source.js';

export interface InspectImagesOptions extends AbortableOptions {
  /** @default that of this host */
  readonly platform?: Platform | undefined;
}

const INSPECT_IMAGES_OPTIONS = {
  signal: true,
  platform: true,
} satisfies OptionNames<InspectImagesOptions>;

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
  checkOptions('inspectImages', options, INSPECT_IMAGES_OPTIONS);
  // Late, as all that the public entry need not load at once.
  const { readSourceImages } = await import('./image-contents.js');
  return await readSourceImages(source, options.platform, options);
}

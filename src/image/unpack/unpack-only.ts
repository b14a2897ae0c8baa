import { OverlayerError } from '../../base/errors.js';
import type { Tell } from '../../base/task.js';
import type { PullEvent } from '../pull/pull-event.js';
import { tellPassedOver } from '../pull/pull-event.js';
import type { ImageSource, SourceImage } from '../source/image-source.js';
import { listImages } from '../source/stored-images.js';
import { AdmittedImage } from '../store/admit-image.js';
import { applyImage } from './apply-image.js';
import type { UnpackedImage, UnpackImageOptions } from './unpack-image.js';

/** See `unpackImage`. */
export async function unpackOnly(
  source: ImageSource,
  directory: string,
  options: UnpackImageOptions,
  tell: Tell<PullEvent>,
): Promise<UnpackedImage> {
  const { name, target } = onlyImage(await source.images(options), source.description);
  tellPassedOver(source, tell);
  const image = await AdmittedImage.admit(name ?? target.digest, target, options);
  return { ...(await applyImage(source, image, directory, options, tell)), name };
}

/** @throws OverlayerError `NotFound`, `InvalidArgument` */
function onlyImage(images: readonly SourceImage[], description: string): SourceImage {
  const [image] = images;
  if (image === undefined) throw new OverlayerError('NotFound', `There is no image in "${description}"`);
  // Several names of one image are no choice.
  if (images.every(({ target }) => target.digest === image.target.digest)) return image;
  throw new OverlayerError('InvalidArgument', `There are ${images.length} images in "${description}"`, {
    hint: `choose one by its name or digest: ${listImages(images)}`,
  });
}

import { checkOptions, checkPath } from '../../base/check-arguments.js';
import { ProgressTask, type Task } from '../../base/task.js';
import type { PullEvent } from '../pull/pull-event.js';
import { checkImageSource, type ImageSource } from '../source/image-source.js';
import { UNPACK_IMAGE_OPTIONS, type UnpackedImage, type UnpackImageOptions } from './options.js';

/**
 * Unpacks an image into one directory, without a store. It unpacks the layers in their order, and verifies each. The events
 * are its progress. With the target `erofs`, the directory gets one file for each layer instead.
 *
 * The directory appears when all layers are complete, verified and synced. An existing empty directory is filled in place,
 * and is empty again after a failure.
 *
 * The verifiers are asked first, as in `Store.pull`.
 *
 * @throws OverlayerError as `unpackLayer`, as the source, and
 *   - `NotFound`: the source has no image, or none for the platform
 *   - `InvalidArgument`: the source has several different images
 *   - `PermissionDenied`: a verifier refuses the image
 * @throws `signal.reason` when the signal is aborted
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
  return new ProgressTask(async (tell) => {
    checkOptions('unpackImage', options, UNPACK_IMAGE_OPTIONS);
    checkImageSource(source);
    checkPath('directory', directory);
    // Loaded when it is used: the entry point loads little.
    const { unpackOnly } = await import('./apply-image.js');
    return await unpackOnly(source, directory, options, tell);
  });
}

import { checkOptions } from '../../base/check-arguments.js';
import { ProgressTask, type Task } from '../../base/task.js';
import type { PullEvent } from '../pull/pull-event.js';
import type { ImageSource } from '../source/image-source.js';
import { UNPACK_IMAGE_OPTIONS, type UnpackedImage, type UnpackImageOptions } from './options.js';

/**
 * Unpacks an image into one directory, without a store: its layers upon one another, in order, each verified.
 * The directory appears only once all of it is there, verified and synced; an empty directory that exists is
 * filled, and is empty again after a failure.
 *
 * Verifiers are asked first, as by `Store.pull`.
 *
 * @throws OverlayerError as `unpackLayer`; `InvalidArgument` when the source has several images, which are more than names
 *   of one; `PermissionDenied` when a verifier refuses the image; and as the source
 * @throws `signal.reason` when the signal asks for the end
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
    // Late, as all that the public entry need not load at once.
    const { unpackOnly } = await import('./apply-image.js');
    return await unpackOnly(source, directory, options, tell);
  });
}

import { checkOptions, type OptionNames } from '../../base/check-arguments.js';
import type { Limits } from '../../base/limits.js';
import { ProgressTask, type Task } from '../../base/task.js';
import type { LayerResult } from '../../layer/options.js';
import type { Platform } from '../../oci/platform.js';
import type { PullEvent } from '../pull/pull-event.js';
import type { ImageSource } from '../source/image-source.js';
import type { AdmitOptions } from '../store/admit-image.js';

export interface UnpackImageOptions extends AdmitOptions {
  /** @default that of this host */
  readonly platform?: Platform | undefined;
  /** Of each layer. @default DEFAULT_LIMITS */
  readonly limits?: Partial<Limits> | undefined;
  /** As of `unpackLayer`. */
  readonly rootless?: boolean | undefined;
  /** Flush the file system (syncfs) before the destination appears. @default true */
  readonly sync?: boolean | undefined;
}

export const UNPACK_IMAGE_OPTIONS = {
  signal: true,
  verify: true,
  platform: true,
  limits: true,
  rootless: true,
  sync: true,
} satisfies OptionNames<UnpackImageOptions>;

export interface UnpackedImage {
  readonly name: string | undefined;
  readonly platform: Platform;
  readonly layers: readonly LayerResult[];
}

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
    const { unpackOnly } = await import('./unpack-only.js');
    return await unpackOnly(source, directory, options, tell);
  });
}

import type { AbortableOptions } from '../../base/abort.js';
import type { OptionNames } from '../../base/check-arguments.js';
import { OverlayerError } from '../../base/errors.js';
import { displayPath } from '../../base/path-bytes.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { ImageRecord } from './image-records.js';
import { type VerifyImageOptions, verifyImage } from './verify-image.js';

export interface AdmitOptions extends AbortableOptions {
  /** Options of the verifiers, which are asked once the image's descriptor is known. @default those of `verifyImage` */
  readonly verify?: Omit<VerifyImageOptions, 'signal'> | undefined;
}

export const ADMIT_OPTIONS = {
  signal: true,
  verify: true,
} satisfies OptionNames<AdmitOptions>;

/**
 * An image that the verifiers have accepted. Stores and unpacking accept no other type, so every source is verified:
 * registries, archives, layouts, and sources of the caller.
 */
export class AdmittedImage {
  readonly name: string;
  readonly target: Descriptor;

  private constructor(name: string, target: Descriptor) {
    this.name = name;
    this.target = target;
  }

  /**
   * @param name the name to store it under; its digest when it has no name
   * @throws OverlayerError `PermissionDenied`: a verifier refuses it; and as `verifyImage`
   */
  static async admit(
    name: string,
    target: Descriptor,
    { verify, signal }: AdmitOptions,
  ): Promise<AdmittedImage> {
    const { ok, reason } = await verifyImage(name, target, { ...verify, signal });
    if (ok) return new AdmittedImage(name, target);
    throw new OverlayerError('PermissionDenied', `Image "${displayPath(name)}" is refused: ${reason}`);
  }

  /** An image of a store. Its verifiers were asked when it entered the store. */
  static ofStore({ name, target }: Pick<ImageRecord, 'name' | 'target'>): AdmittedImage {
    return new AdmittedImage(name, target);
  }
}

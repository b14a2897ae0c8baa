import type { AbortableOptions } from '../../base/abort.js';
import type { OptionNames } from '../../base/check-arguments.js';
import { OverlayerError } from '../../base/errors.js';
import { displayPath } from '../../base/path-bytes.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { ImageRecord } from './image-records.js';
import { type VerifyImageOptions, verifyImage } from './verify-image.js';

export interface AdmitOptions extends AbortableOptions {
  /** Who says whether the image may come in, once it is known which it is. @default as of `verifyImage` */
  readonly verify?: Omit<VerifyImageOptions, 'signal'> | undefined;
}

export const ADMIT_OPTIONS = {
  signal: true,
  verify: true,
} satisfies OptionNames<AdmitOptions>;

/**
 * An image that its verifiers have let in. Nothing else gets into a store or into a directory, wherever it comes from: a
 * registry, an archive, a layout, or a source of the caller's own.
 */
export class AdmittedImage {
  readonly name: string;
  readonly target: Descriptor;

  private constructor(name: string, target: Descriptor) {
    this.name = name;
    this.target = target;
  }

  /**
   * @param name under which it is stored; of one that has none its digest
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

  /** One of a store: its verifiers were asked when it came in. */
  static ofStore({ name, target }: Pick<ImageRecord, 'name' | 'target'>): AdmittedImage {
    return new AdmittedImage(name, target);
  }
}

import type { OptionNames } from '../../base/check-arguments.js';
import type { Limits } from '../../base/limits.js';
import type { LayerResult } from '../../layer/options.js';
import type { Platform } from '../../oci/platform.js';
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

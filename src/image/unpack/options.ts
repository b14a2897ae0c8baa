import type { OptionNames } from '../../base/check-arguments.js';
import type { Limits } from '../../base/limits.js';
import type { LayerResult, UnpackLayerOptions } from '../../layer/options.js';
import type { Platform } from '../../oci/platform.js';
import type { AdmitOptions } from '../store/admit-image.js';

/** Which image is unpacked, and how. */
export interface UnpackImageOptions extends AdmitOptions {
  /** @default the platform of this host */
  readonly platform?: Platform | undefined;
  /**
   * `directory`: one tree, merged of all layers.
   * `erofs`: a directory with an EROFS file for each layer, as `unpackLayer` makes it (`UnpackedImage.files`). The layers
   * below are the lower layers of those above.
   * @default 'directory'
   */
  readonly target?: 'directory' | 'erofs' | undefined;
  /**
   * The thread that unpacks an image whose layers have at most 1 MiB together, as in `unpackLayer`.
   * @default 'worker'
   */
  readonly thread?: UnpackLayerOptions['thread'];
  /** Limits of each layer that differ from the defaults. @default DEFAULT_LIMITS */
  readonly limits?: Partial<Limits> | undefined;
  /** Works without privileges, as in `unpackLayer`. @default true unless the effective user is root */
  readonly rootless?: boolean | undefined;
  /** Flushes the file system (syncfs) before the destination appears. @default true */
  readonly sync?: boolean | undefined;
}

export const UNPACK_IMAGE_OPTIONS = {
  signal: true,
  verify: true,
  platform: 'object',
  target: 'string',
  thread: 'string',
  limits: 'object',
  rootless: 'boolean',
  sync: 'boolean',
} satisfies OptionNames<UnpackImageOptions>;

/** The image that was unpacked, and the results of its layers, the lowest first. */
export interface UnpackedImage {
  /** Name of the image in its source. Undefined where it has none. */
  readonly name: string | undefined;
  readonly platform: Platform;
  /** The lowest first. */
  readonly layers: readonly LayerResult[];
  /**
   * With the target `erofs`, the names of the files in the directory, the lowest layer first: its number (of two digits or
   * more), a hyphen, and the hexadecimal digits of its diffID.
   */
  readonly files?: readonly string[] | undefined;
}

import type { AbortableOptions } from '../../base/abort.js';
import type { OptionNames } from '../../base/check-arguments.js';
import type { OverlayerError } from '../../base/errors.js';
import type { LayerSource } from '../../layer/options.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';

/**
 * Where images come from: a registry, an OCI layout, an archive. It tells which images there are, and gives the bytes
 * of blobs; whoever asks for a blob compares it with its descriptor: a source need verify nothing.
 */
export interface ImageSource extends AsyncDisposable {
  /** For people: `docker.io`, `image.tar`. */
  readonly description: string;
  /** The images that it was asked for, or all that it has. @throws OverlayerError `NotFound` */
  images(options?: ListSourceImagesOptions): Promise<readonly SourceImage[]>;
  /** What is beside the images, and can't be used as one. @default nothing */
  readonly passedOver?: readonly PassedOver[] | undefined;
  /**
   * The bytes of a blob.
   *
   * @throws OverlayerError
   *   - `NotFound`
   *   - `InvalidArgument`: an offset past its end; in a layout something else than a file
   *   - `Unavailable`, `Unauthenticated`, `PermissionDenied`: a registry's
   */
  open(blob: Descriptor, options?: OpenBlobOptions): Promise<OpenBlob>;
  /** Closes files and connections. A second time does nothing. */
  close(): Promise<void>;
}

export interface OpenImagesOptions extends AbortableOptions {
  /** Names or digests of the images to open. @default all images of the layout or archive */
  readonly names?: readonly string[] | undefined;
}

export const OPEN_IMAGES_OPTIONS = {
  signal: true,
  names: true,
} satisfies OptionNames<OpenImagesOptions>;

/** What the caller knows of the image already. */
export interface ListSourceImagesOptions extends AbortableOptions {
  /** What the image was the last time. A registry need not send its manifest again when it still is. @default none */
  readonly known?: Descriptor | undefined;
}

/** An image in a source. */
export interface SourceImage {
  /** As the source has it; canonical (`docker.io/library/debian:12`) where it is a reference. */
  readonly name: string | undefined;
  /** Of its manifest, or its index. */
  readonly target: Descriptor;
}

/** An entry of a layout or an archive that is no image (a signature), or can't be read. */
export interface PassedOver {
  readonly name: string | undefined;
  /** Where it can be told. */
  readonly digest?: Digest | undefined;
  /** Why it is passed over; whoever asks for it by its name gets this. */
  readonly error: OverlayerError;
}

/** Where to begin. */
export interface OpenBlobOptions extends AbortableOptions {
  /** Bytes to leave out at the beginning. @default 0 */
  readonly offset?: number | undefined;
}

/** An opened blob. */
export interface OpenBlob {
  /** A part of a file where there is one: it is read without going through this thread. */
  readonly bytes: LayerSource;
  /** Where the bytes begin: 0 when the source can't leave out what was asked. */
  readonly offset: number;
}

import type { AbortableOptions } from '../../base/abort.js';
import { describe, type OptionNames } from '../../base/check-arguments.js';
import { OverlayerError } from '../../base/errors.js';
import type { ErofsLayerInfo } from '../../layer/erofs/read-erofs-layer.js';
import type { LayerSource } from '../../layer/options.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { DiffID, Digest } from '../../oci/digest.js';

/**
 * A registry, an OCI layout or an archive. A source lists images and gives the bytes of their blobs. It verifies nothing:
 * the caller compares each blob with its descriptor.
 */
export interface ImageSource extends AsyncDisposable {
  /** The source in messages: `docker.io`, `image.tar`. */
  readonly description: string;
  /** Whether each blob takes a round trip to a server. @default false */
  readonly isRemote?: boolean | undefined;
  /** The most layers that are fetched at once. @default any number */
  readonly connections?: number | undefined;
  /** The images that were chosen when the source was opened, or all of them. @throws OverlayerError `NotFound` */
  images(options?: ListSourceImagesOptions): Promise<readonly SourceImage[]>;
  /** Entries that are not images, or can't be read. @default none */
  readonly passedOver?: readonly PassedOver[] | undefined;
  /**
   * The bytes of a blob.
   *
   * @throws OverlayerError
   *   - `NotFound`
   *   - `InvalidArgument`: the offset is past the blob's end; the blob in a layout is not a regular file
   *   - `Unavailable`, `Unauthenticated`, `PermissionDenied`: the answer of a registry
   */
  open(blob: Descriptor, options?: OpenBlobOptions): Promise<OpenBlob>;
  /** Whether the source has a blob. @default not known before it is opened */
  has?(blob: Descriptor): Promise<boolean>;
  /**
   * The tars of an image's layers, in files of snapshots: a store can have them without the blobs.
   *
   * @param diffIDs the lowest first
   * @returns undefined when there are no such files
   * @default none
   */
  tars?(diffIDs: readonly DiffID[]): Promise<readonly ErofsLayerInfo[] | undefined>;
  /** Closes files and connections. A second time does nothing. */
  close(): Promise<void>;
}

/** @throws OverlayerError `InvalidArgument` */
export function checkImageSource(source: unknown): void {
  if (typeof (source as Partial<ImageSource> | null | undefined)?.images === 'function') return;
  throw new OverlayerError('InvalidArgument', `Not an image source: source is ${describe(source)}`, {
    hint: 'open it with openImageArchive, openImageLayout or openRegistry',
  });
}

export interface OpenImagesOptions extends AbortableOptions {
  /** Names or digests of the images to open. @default all images of the layout or archive */
  readonly names?: readonly string[] | undefined;
}

export const OPEN_IMAGES_OPTIONS = {
  signal: true,
  names: 'strings',
} satisfies OptionNames<OpenImagesOptions>;

/** Options of `ImageSource.images`. */
export interface ListSourceImagesOptions extends AbortableOptions {
  /** The descriptor that the image had before. While it is the same, a registry sends no manifest. @default none */
  readonly known?: Descriptor | undefined;
}

/** An image in a source. */
export interface SourceImage {
  /** The name in the source. A reference is in its canonical form: `docker.io/library/debian:12`. */
  readonly name: string | undefined;
  /** The descriptor of its manifest or its index. */
  readonly target: Descriptor;
}

/** An entry of a layout or an archive that is not an image (a signature), or can't be read. */
export interface PassedOver {
  readonly name: string | undefined;
  /** Undefined when the entry has none that can be read. */
  readonly digest?: Digest | undefined;
  /** The reason. Opening the entry by its name throws this error. */
  readonly error: OverlayerError;
}

/** The offset to begin at. */
export interface OpenBlobOptions extends AbortableOptions {
  /** Bytes of the blob to skip at its start. @default 0 */
  readonly offset?: number | undefined;
}

/** An opened blob. */
export interface OpenBlob {
  /** A range of a file where possible: worker threads read it without this thread. */
  readonly bytes: LayerSource;
  /** Offset of the first byte in the blob: 0 when the source can't skip bytes. */
  readonly offset: number;
}

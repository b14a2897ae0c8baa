import type { AbortableOptions } from '../../base/abort.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import type { Reference } from '../reference.js';
import type { OpenBlob } from '../source/image-source.js';

/**
 * A registry, an OCI layout, an archive or a store that images are written to. The writer sends blobs first, then the
 * manifests that refer to them, then names. No image is visible before it is named.
 */
export interface ImageTarget extends AsyncDisposable {
  /** The target in messages: `docker.io/library/debian`, `image.tar`. */
  readonly description: string;
  /** @default one whole image */
  readonly form?: TargetForm | undefined;
  /**
   * Whether the target has a blob or a manifest, or can have it without its bytes: a registry mounts blobs of other
   * repositories.
   *
   * @throws OverlayerError `Unavailable`, `Unauthenticated`, `PermissionDenied`: the answer of a registry
   */
  has(blob: Descriptor, options?: HasBlobOptions): Promise<boolean>;
  /**
   * Writes a blob. Resolves when the target has compared it with its digest and keeps it. Concurrent writes of the same
   * blob send it once.
   *
   * @returns the descriptor, with the digest and size that were undefined
   * @throws OverlayerError `DataLoss`: the bytes have another digest or size; and the codes of `has`
   */
  writeBlob(blob: NewBlob, options?: WriteBlobOptions): Promise<Descriptor>;
  /**
   * Writes a manifest or an index under its digest. The target has all that it refers to.
   *
   * @throws OverlayerError `ResourceExhausted`: it is larger than the target accepts; and the codes of `writeBlob`
   */
  writeManifest(manifest: Descriptor, bytes: Uint8Array, options?: AbortableOptions): Promise<void>;
  /**
   * Makes a written manifest visible as an image. A registry gives it the tag of the reference that the target was opened
   * with, and ignores `name`.
   *
   * @param name undefined: the image is known by its digest only
   * @param bytes the manifest
   */
  name(
    name: string | undefined,
    manifest: Descriptor,
    bytes: Uint8Array,
    options?: AbortableOptions,
  ): Promise<void>;
  /** Completes the target when all images have names. An archive is not visible before. @default nothing is to be done */
  finish?(options?: AbortableOptions): Promise<void>;
  /** Removes what is unfinished, and closes files and connections. A second time does nothing. */
  close(): Promise<void>;
}

/** What a target can hold. */
export interface TargetForm {
  /** It holds images with different names. @default false */
  readonly severalImages?: boolean | undefined;
  /** An index may list manifests that the target lacks. @default false */
  readonly partialIndexes?: boolean | undefined;
  /** It takes non-distributable layers. Registries do not, by their terms. @default false */
  readonly foreignLayers?: boolean | undefined;
  /** Layers must be plain tars, and an image has one platform. @default false */
  readonly plainLayers?: boolean | undefined;
}

/** Options of `ImageTarget.has`. */
export interface HasBlobOptions extends AbortableOptions {
  /** Repositories that may have the blob. A registry mounts it from the first of its own that has it. @default none */
  readonly origins?: readonly Reference[] | undefined;
}

/** Options of `ImageTarget.writeBlob`. */
export interface WriteBlobOptions extends AbortableOptions {
  /** Called with the number of bytes that are written so far. It falls when a broken upload begins again. @default none */
  readonly onBytes?: ((written: number) => void) | undefined;
}

/** A blob to write. */
export interface NewBlob {
  readonly mediaType: string;
  /** Undefined when it is known at the end of the bytes only. @default undefined */
  readonly digest?: Digest | undefined;
  /** The size in bytes. Undefined exactly when `digest` is. @default undefined */
  readonly size?: number | undefined;
  /**
   * The bytes from an offset on, or from before it. It is called again when a connection breaks, after the bytes of the
   * last call were given up.
   */
  open(offset: number): Promise<OpenBlob>;
}

import type { AbortableOptions } from '../../base/abort.js';
import type { OptionNames } from '../../base/check-arguments.js';
import type { Compression } from '../../layer/options.js';
import type { Labels } from '../../metadata/labels.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Platform } from '../../oci/platform.js';
import type { PullEvent } from '../pull/pull-event.js';
import {
  OPEN_REGISTRY_TARGET_OPTIONS,
  type OpenRegistryTargetOptions,
} from '../registry/push/open-registry-target.js';
import type { RegistryNotice } from '../registry/registry-notice.js';
import { ADMIT_OPTIONS, type AdmitOptions } from '../store/admit-image.js';

/** What is changed on the way. */
export interface RewriteOptions {
  /**
   * Compression of all layers. A layer that has it already keeps its blob. Images with Docker's media types get those of OCI
   * with `zstd`.
   * @default layers keep their blobs; a layer whose blob was discarded gets gzip
   */
  readonly compression?: Compression | undefined;
  /** 1 to 9 for gzip, 1 to 22 for zstd. @default as `createDiff` */
  readonly compressionLevel?: number | undefined;
  /** Replaces Docker's media types by those of OCI. @default false */
  readonly oci?: boolean | undefined;
}

export interface CopyOptions extends AbortableOptions, RewriteOptions {
  /** Name at the target; needs that the source has one image. @default the name in the source */
  readonly name?: string | undefined;
  /** Copies the manifest for this platform alone. @default an index with all its platforms that the source has */
  readonly platform?: Platform | undefined;
  /** Blobs that are copied concurrently. @default 4 */
  readonly concurrency?: number | undefined;
}

const REWRITE_OPTIONS = {
  compression: 'string',
  compressionLevel: 'number',
  oci: 'boolean',
} satisfies OptionNames<RewriteOptions>;

export const COPY_OPTIONS = {
  ...REWRITE_OPTIONS,
  signal: true,
  name: 'string',
  platform: 'object',
  concurrency: 'number',
} satisfies OptionNames<CopyOptions>;

/** How an image of a store is pushed. */
export interface PushOptions extends Omit<CopyOptions, 'name'>, OpenRegistryTargetOptions {}

const { name: _, ...pushed } = COPY_OPTIONS;
export const PUSH_OPTIONS = {
  ...pushed,
  ...OPEN_REGISTRY_TARGET_OPTIONS,
} satisfies OptionNames<PushOptions>;

/** How an image of a store is converted. */
export interface ConvertOptions extends RewriteOptions, AdmitOptions {
  /** The only platform of the new image. @default all platforms that the store has */
  readonly platform?: Platform | undefined;
  /** Layers that are compressed concurrently. @default 4 */
  readonly concurrency?: number | undefined;
  /** Labels of the new image. @default none */
  readonly labels?: Labels | undefined;
}

export const CONVERT_OPTIONS = {
  ...REWRITE_OPTIONS,
  ...ADMIT_OPTIONS,
  platform: 'object',
  concurrency: 'number',
  labels: 'object',
} satisfies OptionNames<ConvertOptions>;

/** An image that was copied. */
export interface CopiedImage {
  /** The name that was given to the target. */
  readonly name: string | undefined;
  readonly source: Descriptor;
  /** Differs from `source` when a manifest was rewritten, or was taken from an index. */
  readonly target: Descriptor;
  /** Entries of indexes that the source lacks. */
  readonly missing: readonly Descriptor[];
}

/** An event of a copy. `index` is the position of a blob in the last `plan`. */
export type CopyEvent =
  /** The documents of an image were read: these are its blobs, as the source has them. */
  | {
      readonly type: 'plan';
      readonly name: string | undefined;
      readonly target: Descriptor;
      readonly blobs: readonly Descriptor[];
    }
  /** The image lists manifests that the source lacks, so they are not copied. */
  | { readonly type: 'missing'; readonly name: string | undefined; readonly manifests: readonly Descriptor[] }
  /** The target has the blob, or got it without its bytes. */
  | { readonly type: 'skip'; readonly index: number }
  /** How far a blob is. It replaces the last one of the same blob that was not read yet. */
  | {
      readonly type: 'progress';
      readonly index: number;
      /** Bytes that were read: of the source's blob, or of the tar in a layer file. */
      readonly bytes: number;
      readonly size: number;
    }
  /** The target has the blob. The descriptor is another one when the layer was compressed anew. */
  | { readonly type: 'blob'; readonly index: number; readonly descriptor: Descriptor }
  | RegistryNotice;

/** An event of a conversion. */
export type ConvertEvent =
  | CopyEvent
  /** The snapshots of the image were removed, so the new layers are unpacked. */
  | { readonly type: 'unpack'; readonly event: PullEvent };

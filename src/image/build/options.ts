import type { OptionNames } from '../../base/check-arguments.js';
import type { Limits } from '../../base/limits.js';
import type { CreateDiffOptions, DiffSource } from '../../layer/diff/options.js';
import type { LayerProgress, LayerSource } from '../../layer/options.js';
import type { Labels } from '../../metadata/labels.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { DiffID } from '../../oci/digest.js';
import type { ConfigChanges } from '../../oci/edit-config.js';
import type { Platform } from '../../oci/platform.js';
import type { PullEvent } from '../pull/pull-event.js';
import { ADMIT_OPTIONS, type AdmitOptions } from '../store/admit-image.js';

/** A layer of a new image. */
export type NewLayer =
  /** An archive of any compression, which is kept byte for byte. A layer file (EROFS) gives its tar, which is compressed. */
  | { readonly archive: LayerSource }
  /** The difference between two trees, or a whole tree. */
  | { readonly trees: DiffSource }
  /** The changes of a snapshot of the store to its parent. */
  | { readonly snapshot: string };

/** Options of every call that makes an image. */
export interface BuildOptions
  extends AdmitOptions,
    Pick<CreateDiffOptions, 'compression' | 'compressionLevel' | 'sourceDateEpoch'> {
  /** The platform of the base that is used, or without a base the platform of the image. @default that of the base, else of this host */
  readonly platform?: Platform | undefined;
  /** @default none */
  readonly config?: ConfigChanges | undefined;
  /** Annotations of the manifest; null removes one. @default those of the base */
  readonly annotations?: Readonly<Record<string, string | null>> | undefined;
  /** The command that the history names. @default `overlayer` and the name of the call */
  readonly createdBy?: string | undefined;
  /** A comment for the history. @default none */
  readonly comment?: string | undefined;
  /** Limits of each new layer. @default DEFAULT_LIMITS */
  readonly limits?: Partial<Limits> | undefined;
  /** Labels of the image in the store. @default none */
  readonly labels?: Labels | undefined;
}

const BUILD_OPTIONS = {
  ...ADMIT_OPTIONS,
  compression: 'string',
  compressionLevel: 'number',
  sourceDateEpoch: 'date',
  platform: 'object',
  config: 'object',
  annotations: 'object',
  createdBy: 'string',
  comment: 'string',
  limits: 'object',
  labels: 'object',
} satisfies OptionNames<BuildOptions>;

export interface CreateImageOptions extends BuildOptions {
  /** The reference of the new image. An image that has this name loses it. */
  readonly name: string;
  /** The name of an image of the store. @default none: an image from nothing */
  readonly base?: string | undefined;
  /** Layers above those of the base, the lowest first. @default none */
  readonly layers?: readonly NewLayer[] | undefined;
}

export const CREATE_IMAGE_OPTIONS = {
  ...BUILD_OPTIONS,
  name: 'string',
  base: 'string',
  layers: 'list',
} satisfies OptionNames<CreateImageOptions>;

export interface CommitImageOptions extends BuildOptions {
  /** The name of the image that the snapshot was made of. @default the image that was mounted, or the only one with its layers */
  readonly base?: string | undefined;
}

export const COMMIT_IMAGE_OPTIONS = {
  ...BUILD_OPTIONS,
  base: 'string',
} satisfies OptionNames<CommitImageOptions>;

export interface SquashImageOptions extends BuildOptions {
  /** Digest, diffID or chainID of a layer that stays, with those below it. @default none: all layers become one */
  readonly from?: string | undefined;
}

export const SQUASH_IMAGE_OPTIONS = {
  ...BUILD_OPTIONS,
  from: 'string',
} satisfies OptionNames<SquashImageOptions>;

export interface RebaseImageOptions extends BuildOptions {
  /** The name of the image whose layers are the first ones of the image. */
  readonly oldBase: string;
  /** The name of the image whose layers replace them. */
  readonly newBase: string;
}

export const REBASE_IMAGE_OPTIONS = {
  ...BUILD_OPTIONS,
  oldBase: 'string',
  newBase: 'string',
} satisfies OptionNames<RebaseImageOptions>;

/** An event of a build: first the new layers are made, then the image enters the store as in a pull. */
export type BuildEvent =
  /** How far a new layer is; 0 is the lowest new one. */
  | ({ readonly type: 'make'; readonly index: number } & LayerProgress)
  /** A new layer is in the content store. */
  | {
      readonly type: 'made';
      readonly index: number;
      readonly descriptor: Descriptor;
      readonly diffID: DiffID;
    }
  | PullEvent;

import type { AbortableOptions } from '../../base/abort.js';
import type { OptionNames } from '../../base/check-arguments.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { DiffID } from '../../oci/digest.js';
import type { Compression, ProgressOptions } from '../options.js';

/** What a layer is made of. */
export type DiffSource =
  /** Any two trees, which are compared. */
  | {
      /** Directory of the tree that is to be changed. @default none: the layer holds all of `upper` */
      readonly lower?: string | undefined;
      /** Directory of the tree that is to come of it. */
      readonly upper: string;
    }
  /** The layer of an overlay mount that is written to: it holds the changes already. */
  | {
      /** Its lowerdirs, nearest first. */
      readonly lowers: readonly string[];
      /** Its upperdir. */
      readonly upper: string;
    };

export interface CreateDiffOptions extends AbortableOptions, ProgressOptions {
  /** @default 'gzip' */
  readonly compression?: Compression | undefined;
  /**
   * No modification time in the layer is later: those that are become this, in whole seconds. For layers that come out
   * the same although files were written anew (reproducible-builds.org, SOURCE_DATE_EPOCH).
   * @default times as they are
   */
  readonly sourceDateEpoch?: Date | undefined;
}

export const CREATE_DIFF_OPTIONS = {
  signal: true,
  compression: true,
  sourceDateEpoch: true,
  onProgress: true,
} satisfies OptionNames<CreateDiffOptions>;

export interface DiffResult {
  /** Of the bytes: OCI's media type for them, their digest and their number. */
  readonly descriptor: Descriptor;
  /** Digest of the uncompressed bytes. */
  readonly diffID: DiffID;
  /** How many uncompressed bytes there are. */
  readonly size: number;
  readonly entries: number;
  /** Whiteouts and opaque markers. */
  readonly whiteouts: number;
}

import type { AbortableOptions } from '../../base/abort.js';
import type { OptionNames } from '../../base/check-arguments.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { DiffID } from '../../oci/digest.js';
import type { Compression, ProgressOptions } from '../options.js';

/** The trees that a layer is made of. */
export type DiffSource =
  /** Two trees, which are compared. */
  | {
      /** Directory of the tree before the change. @default none: the layer holds all of `upper` */
      readonly lower?: string | undefined;
      /** Directory of the tree after the change. */
      readonly upper: string;
      /** The layer has no entry for the root directory: its owner, mode and times stay those of the layers below. @default false */
      readonly leaveRoot?: boolean | undefined;
    }
  /** An overlay mount: its upperdir holds the changes, so nothing is compared. */
  | {
      /** The lowerdirs, nearest first. */
      readonly lowers: readonly string[];
      /** The upperdir. */
      readonly upper: string;
    };

export interface CreateDiffOptions extends AbortableOptions, ProgressOptions {
  /** @default 'gzip' */
  readonly compression?: Compression | undefined;
  /**
   * 1 (fastest) to 9 for gzip, which zlib then compresses, and to 22 for zstd.
   * @default gzip: level 2 of ISA-L where it is installed, else level 6 of zlib; zstd: 3
   */
  readonly compressionLevel?: number | undefined;
  /**
   * Later modification times become this one, in whole seconds. Builds that write the same files at another time then give
   * the same layer (reproducible-builds.org, SOURCE_DATE_EPOCH).
   * @default times are kept
   */
  readonly sourceDateEpoch?: Date | undefined;
}

export const CREATE_DIFF_OPTIONS = {
  signal: true,
  compression: 'string',
  compressionLevel: 'number',
  sourceDateEpoch: 'date',
  onProgress: 'function',
} satisfies OptionNames<CreateDiffOptions>;

/** Digests, sizes and counts of a layer that was written to its end. */
export interface DiffResult {
  /** Media type, digest and size of the layer's bytes. */
  readonly descriptor: Descriptor;
  /** Digest of the uncompressed archive. */
  readonly diffID: DiffID;
  /** Bytes of the uncompressed archive. */
  readonly size: number;
  readonly entries: number;
  /** Whiteouts and opaque markers among the entries. */
  readonly whiteouts: number;
}

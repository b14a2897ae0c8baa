import type { PlainError } from '../../base/errors.js';
import type { Limits } from '../../base/limits.js';
import type { LowersLater, NeedsLowers } from '../apply/lowers-later.js';
import type { OwnerMap } from '../apply/shift-owners.js';
import type { DiffSource } from '../diff/options.js';
import type { FileFacts } from '../manifest/file-facts.js';
import type { Compression, FileRange, GzipDecoder } from '../options.js';
import type { AnomalySummary } from '../plan/anomaly.js';
import type { PlannedOperation } from '../plan/operation.js';

/** What the caller's thread asks of the others. */
export type Request =
  | {
      readonly type: 'decode';
      /** What to read of a regular file; undefined when the caller's thread fills the ring. */
      readonly file: FileRange | undefined;
      readonly gzip: GzipDecoder | undefined;
      readonly maxRatio: number;
      readonly maxWindow: number;
      readonly hash: boolean;
    }
  | {
      readonly type: 'apply';
      readonly destination: string;
      /** After a failure it is of no consequence what is left there. */
      readonly temporary: boolean;
      readonly existing: 'refuse' | 'merge';
      readonly target: 'directory' | 'overlay';
      readonly rootless: boolean | undefined;
      readonly lowers: readonly string[];
      readonly lowersLater: LowersLater | undefined;
      readonly limits: Limits;
      readonly hash: boolean;
      readonly owners: OwnerMap | undefined;
      /** Whether to take down what is known of the files that it brings. */
      readonly facts: boolean;
    }
  | {
      readonly type: 'plan';
      readonly limits: Limits;
      readonly hash: boolean;
      /** Whether the operations are sent, or only their summary. */
      readonly wantsOperations: boolean;
    }
  | {
      readonly type: 'diff';
      readonly source: DiffSource;
      readonly latestSec: number | undefined;
    }
  /** What the apply thread writes for `diff`. */
  | { readonly type: 'encode'; readonly compression: Compression }
  | { readonly type: 'commit'; readonly sync: boolean }
  | { readonly type: 'discard' };

/** Their answers. */
export type Response =
  | {
      readonly type: 'decoded';
      readonly compression: Compression;
      /** Of a compressed source; a plain one is the archive. */
      readonly digest: string | undefined;
      readonly dataAfterStream: boolean;
      /** The compressed stream says itself that it is whole. */
      readonly provesEnd: boolean;
    }
  | ({
      readonly type: 'applied';
      /** Where they were asked for. */
      readonly facts?: FileFacts | undefined;
      /** With `lowersLater`: what was noted. */
      readonly needsLowers?: NeedsLowers | undefined;
    } & ArchiveSummary)
  | { readonly type: 'diffed'; readonly whiteouts: number }
  | {
      readonly type: 'encoded';
      /** Of the layer, and of its archive: hexadecimal sha256. */
      readonly digest: string;
      readonly diffID: string;
    }
  | {
      readonly type: 'settled';
      /** What a `discard` could not remove, in words. */
      readonly stays?: string | undefined;
    }
  /** A part of the plan; the answer proper is `applied`. */
  | { readonly type: 'operations'; readonly operations: readonly PlannedOperation[] }
  /** Another thread failed, or the caller gave up. */
  | { readonly type: 'aborted' }
  | { readonly type: 'failed'; readonly error: PlainError };

export interface ArchiveSummary {
  readonly size: number;
  /** Hexadecimal sha256 of the archive, where it was asked for. */
  readonly diffID: string | undefined;
  readonly entries: number;
  readonly whiteouts: number;
  readonly listsRoot: boolean;
  readonly endIsMarked: boolean;
  readonly dataAfterArchive: boolean;
  /** Its root has what makes it an archive of images. */
  readonly holdsImages: boolean;
  readonly anomalies: readonly AnomalySummary[];
}

/** Answers in the order of asking. */
export type Answer = Exclude<Response, { type: 'operations' }>;

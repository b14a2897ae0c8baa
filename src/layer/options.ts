import type { AbortableOptions } from '../base/abort.js';
import type { ByteSource, UnreadSource } from '../base/byte-source.js';
import type { OptionNames } from '../base/check-arguments.js';
import type { Limits } from '../base/limits.js';
import type { DiffID, Digest } from '../oci/digest.js';
import type { AnomalySummary } from './plan/anomaly.js';

/**
 * A layer: the path or the `file:` URL of a file, a part of a file, or bytes. Its compression (none, gzip, zstd) is found
 * from its first bytes. For a layer at an `http:` URL, give the response: `await fetch(url)`.
 */
export type LayerSource = string | URL | FileRange | ByteSource;

/** A layer that is a part of a regular file, as in an image archive. */
export interface FileRange {
  readonly path: string;
  /** Bytes before it. */
  readonly offset: number;
  /** Bytes of it. */
  readonly length: number;
}

export type Compression = 'none' | 'gzip' | 'zstd';

/** Gzip decoders, fastest first: ISA-L from the system, Node's zlib. */
export type GzipDecoder = 'isal' | 'zlib';

export interface ReadLayerOptions extends AbortableOptions {
  /** Fail with `DataLoss` unless the bytes of the source have this digest. */
  readonly digest?: Digest | undefined;
  /** Fail with `DataLoss` unless the uncompressed bytes have this digest. */
  readonly diffID?: DiffID | undefined;
  /**
   * `skip` saves the hashing; the result then has no digests. Not together with `digest` or `diffID`.
   * @default 'compute'
   */
  readonly digests?: 'compute' | 'skip' | undefined;
  /**
   * Take nothing at all for a layer without entries. A digest or a diffID says so as well; without any of them it fails
   * with `DataLoss`, since whoever should have written the layer may have failed.
   * @default false
   */
  readonly allowEmpty?: boolean | undefined;
  /**
   * What happens to a stream or an iterable that is not read to its end, because the work failed or was ended.
   *
   * - `destroy`: it is ended, and what it holds is freed: a Node stream is destroyed, a web stream is cancelled, and the
   *   iterator of an iterable is returned. The connection of an HTTP request is closed by this.
   * - `leave`: nothing more is read from it, and the caller ends it. The caller of an HTTP request can still answer it then:
   *   send the response (413 for `ResourceExhausted`), and let the rest of the request flow with `request.resume()`.
   *
   * @default 'destroy'
   */
  readonly unreadSource?: UnreadSource | undefined;
  /** @default DEFAULT_LIMITS */
  readonly limits?: Partial<Limits> | undefined;
  /** @default the fastest there is; also settable by the environment variable OVERLAYER_GZIP */
  readonly gzip?: GzipDecoder | undefined;
}

export const READ_LAYER_OPTIONS = {
  signal: true,
  digest: true,
  diffID: true,
  digests: true,
  allowEmpty: true,
  unreadSource: true,
  limits: true,
  gzip: true,
} satisfies OptionNames<ReadLayerOptions>;

/** For work whose task has data for its events. */
export interface ProgressOptions {
  /** Called about ten times a second while the work runs, and once at its end. What it throws ends the work. */
  readonly onProgress?: ((progress: LayerProgress) => void) | undefined;
}

export interface PlanLayerOptions extends ReadLayerOptions, ProgressOptions {}

export const PLAN_LAYER_OPTIONS = {
  ...READ_LAYER_OPTIONS,
  onProgress: true,
} satisfies OptionNames<PlanLayerOptions>;

export interface UnpackLayerOptions extends ReadLayerOptions {
  /**
   * `directory`: a plain tree; whiteouts delete what lower layers left there.
   * `overlay`: an upperdir for overlayfs, with its whiteouts and opaque marks.
   * @default 'directory'
   */
  readonly target?: 'directory' | 'overlay' | undefined;
  /**
   * Do without privileges. overlayfs's marks are `user.overlay.*` attributes then, for mounts with the option
   * `userxattr` (Linux 5.11). What the kernel refuses is left out and reported in `anomalies`: owners, devices, some
   * attributes, and the setuid and setgid bits of owners that were left out. Those of root are kept: the caller stands
   * for the image's root. Whiteouts are devices 0:0, which any user may make since Linux 5.8. Where that is refused
   * they are files with an attribute (Linux 6.7), and the kernel does not remove or rename a directory over those.
   * @default true unless the effective user is root
   */
  readonly rootless?: boolean | undefined;
  /** Directories of the lower layers, nearest first. Parents, symlinks and hard links resolve through them. */
  readonly lowers?: readonly string[] | undefined;
  /**
   * What to do with a destination that is not empty. After a failed `merge` what was there before is changed
   * and stays.
   * @default 'refuse'
   */
  readonly existing?: 'refuse' | 'merge' | undefined;
  /** Flush the file system (syncfs) before the destination appears. @default true */
  readonly sync?: boolean | undefined;
}

export const UNPACK_LAYER_OPTIONS = {
  ...READ_LAYER_OPTIONS,
  target: true,
  rootless: true,
  lowers: true,
  existing: true,
  sync: true,
} satisfies OptionNames<UnpackLayerOptions>;

/**
 * How far a layer is. Byte counts have the same names everywhere: `size` and `compressedSize` are how many bytes a layer
 * has, `bytes` and `compressedBytes` how many of them have been read or written so far.
 */
export interface LayerProgress {
  /** Bytes of the compressed layer so far: read from the source, or written by a diff. */
  readonly compressedBytes: number;
  /** Bytes of the source. Undefined for a stream, and for a diff: they are known at the end only. */
  readonly compressedSize: number | undefined;
  /** Bytes of the uncompressed archive so far. */
  readonly bytes: number;
  /** Entries of the archive so far. */
  readonly entries: number;
}

export interface LayerResult {
  /** Digest of the source's bytes. Undefined when `digests` is 'skip'. */
  readonly digest: Digest | undefined;
  /** Digest of the uncompressed bytes. Undefined when `digests` is 'skip'. */
  readonly diffID: DiffID | undefined;
  readonly compression: Compression;
  /** Bytes of the uncompressed archive, what follows its end included. */
  readonly size: number;
  /** Bytes of the source. */
  readonly compressedSize: number;
  readonly entries: number;
  /** Whiteouts and opaque marks. */
  readonly whiteouts: number;
  /** Whether it has an entry for the root directory, whose attributes are otherwise those of the layer below. */
  readonly listsRoot: boolean;
  readonly anomalies: readonly AnomalySummary[];
}

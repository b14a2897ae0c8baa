import { ABORTABLE_OPTIONS, type AbortableOptions } from '../base/abort.js';
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
  /** Offset of the part in bytes from the beginning of the file. */
  readonly offset: number;
  /** Bytes of the part. */
  readonly length: number;
}

/** Compression of a layer: none (a plain tar), gzip (RFC 1952) or zstd (RFC 8878). */
export type Compression = 'none' | 'gzip' | 'zstd';

/** Gzip decoders, the fastest first: the system's ISA-L, and Node's zlib. */
export type GzipDecoder = 'isal' | 'zlib';

export interface ReadLayerOptions extends AbortableOptions {
  /** The layer fails with `DataLoss` unless the bytes of the source have this digest. @default not verified */
  readonly digest?: Digest | undefined;
  /** The layer fails with `DataLoss` unless the uncompressed bytes have this digest. @default not verified */
  readonly diffID?: DiffID | undefined;
  /**
   * `skip` saves the hashing: the result then has no digests. It cannot be combined with `digest` or `diffID`.
   * @default 'compute'
   */
  readonly digests?: 'compute' | 'skip' | undefined;
  /**
   * Accepts a source of no bytes as a layer without entries. Without this option, a digest or a diffID, such a source
   * fails with `DataLoss`, because the program that should have written the layer may have failed.
   * @default false
   */
  readonly allowEmpty?: boolean | undefined;
  /**
   * The fate of a stream or an iterable that is not read to its end, because the work failed or was ended.
   *
   * - `destroy`: a Node stream is destroyed, a web stream is cancelled, and the iterator of an iterable is closed
   *   (`return`). This closes the connection of an HTTP request.
   * - `leave`: nothing more is read from the source, and the caller closes it. An HTTP server can still answer the request
   *   then: it sends the response (413 for `ResourceExhausted`), and discards the rest with `request.resume()`.
   *
   * @default 'destroy'
   */
  readonly unreadSource?: UnreadSource | undefined;
  /** Bounds that differ from the defaults. @default DEFAULT_LIMITS */
  readonly limits?: Partial<Limits> | undefined;
  /** @default the environment variable OVERLAYER_GZIP, or else the fastest that is installed */
  readonly gzip?: GzipDecoder | undefined;
}

export const READ_LAYER_OPTIONS = {
  signal: true,
  digest: 'string',
  diffID: 'string',
  digests: 'string',
  allowEmpty: 'boolean',
  unreadSource: 'string',
  limits: 'object',
  gzip: 'string',
} satisfies OptionNames<ReadLayerOptions>;

/** Options of work whose events are data, so that its progress needs a callback. */
export interface ProgressOptions {
  /** Called about ten times a second while the work runs, and once at its end. An error that it throws ends the work. */
  readonly onProgress?: ((progress: LayerProgress) => void) | undefined;
}

export interface PlanLayerOptions extends ReadLayerOptions, ProgressOptions {}

export const PLAN_LAYER_OPTIONS = {
  ...READ_LAYER_OPTIONS,
  onProgress: 'function',
} satisfies OptionNames<PlanLayerOptions>;

export interface UnpackLayerOptions extends ReadLayerOptions {
  /**
   * `directory`: a plain tree. Whiteouts delete files of lower layers.
   * `overlay`: an upperdir for overlayfs, with its whiteouts and opaque marks.
   * `erofs`: one new EROFS file that holds the tar of the layer, byte for byte. The kernel mounts it, as a lower layer of
   * overlayfs too. Any user may make it: owners, devices and attributes are bytes of the file, and `rootless` has no
   * effect.
   * @default 'directory'
   */
  readonly target?: 'directory' | 'overlay' | 'erofs' | undefined;
  /**
   * Works without privileges.
   *
   * - overlayfs's marks are `user.overlay.*` attributes, for mounts with the option `userxattr` (Linux 5.11).
   * - Whiteouts are devices 0:0, which any user may make since Linux 5.8. Where the kernel refuses them, they are files with
   *   an attribute (Linux 6.7); the kernel does not remove or rename a directory over such files.
   * - Owners, devices and attributes that the kernel refuses are left out and reported in `anomalies`. With an owner, its
   *   setuid and setgid bits are left out. The bits of root are kept, because the caller stands for the image's root.
   *
   * @default true unless the effective user is root
   */
  readonly rootless?: boolean | undefined;
  /**
   * Directories of the lower layers, nearest first. Parents, symlinks and hard links resolve through them. With the target
   * `erofs` they may also be layer files.
   */
  readonly lowers?: readonly string[] | undefined;
  /**
   * What to do with a destination that is not empty: `refuse` fails with `FailedPrecondition`. `merge` writes into it; after
   * a failure, the changes that were made until then stay.
   * @default 'refuse'
   */
  readonly existing?: 'refuse' | 'merge' | undefined;
  /** Flushes the file system (syncfs), or the file, before the destination appears. @default true */
  readonly sync?: boolean | undefined;
  /**
   * The thread that unpacks a layer of at most 1 MiB, if it is a file or a buffer. `caller` is for a program that does
   * nothing else: its first layer takes 40 ms less, the time in which a thread starts. The event loop runs every 10 ms.
   * @default 'worker'
   */
  readonly thread?: 'worker' | 'caller' | undefined;
}

export const UNPACK_LAYER_OPTIONS = {
  ...READ_LAYER_OPTIONS,
  target: 'string',
  rootless: 'boolean',
  lowers: 'list',
  existing: 'string',
  sync: 'boolean',
  thread: 'string',
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

/** Digests, sizes and counts of a layer that was read to its end. */
export interface LayerResult {
  /** Digest of the bytes of the source. Undefined when `digests` is 'skip'. */
  readonly digest: Digest | undefined;
  /** Digest of the uncompressed bytes. Undefined when `digests` is 'skip'. */
  readonly diffID: DiffID | undefined;
  readonly compression: Compression;
  /** Bytes of the uncompressed archive, with those after its end marker. */
  readonly size: number;
  /** Bytes of the source. */
  readonly compressedSize: number;
  readonly entries: number;
  /** Whiteouts and opaque markers among the entries. */
  readonly whiteouts: number;
  /** Whether the layer has an entry for the root directory. Otherwise the root keeps the attributes of the lower layers. */
  readonly listsRoot: boolean;
  readonly anomalies: readonly AnomalySummary[];
}

/** How layer files are merged. */
export interface MergeErofsLayersOptions extends AbortableOptions {
  /**
   * `metadata`: the image has the names and attributes of all files. It is mounted with an option `device=FILE` for each
   * layer file, lowest first.
   * `disk`: the layer files follow in the same file. It is mounted without options, also as the root disk of a virtual machine.
   * @default 'metadata'
   */
  readonly form?: 'metadata' | 'disk' | undefined;
  /** Flushes the file before it appears. @default true */
  readonly sync?: boolean | undefined;
}

export const MERGE_EROFS_LAYERS_OPTIONS = {
  ...ABORTABLE_OPTIONS,
  form: 'string',
  sync: 'boolean',
} satisfies OptionNames<MergeErofsLayersOptions>;

/** A merged image that was written. */
export interface MergedErofsLayers {
  /** Bytes of the file: a multiple of 4096. */
  readonly size: number;
  /** Bytes of the metadata, which are first in the file. */
  readonly metadataSize: number;
  /** Offset of each layer file in the form `disk`, lowest first. */
  readonly offsets: readonly number[];
}

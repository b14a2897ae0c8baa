import type { AbortableOptions } from '../base/abort.js';
import type { OptionNames } from '../base/check-arguments.js';
import type { ExactDate } from '../base/exact-date.js';
import type { ListOptions } from '../metadata/filter-by.js';
import type { Labels, UpdateOptions } from '../metadata/labels.js';
import type { Digest } from '../oci/digest.js';
import type { LeaseResource, Leases } from './leases.js';

/**
 * # Content
 *
 * Blobs by their digest. A blob is whole, verified and on disk, or it does not exist. An **ingest** collects its bytes
 * under a **ref** that the caller chooses, and `commit` makes a blob of them. An ingest outlives the process: to open
 * its ref again continues it.
 *
 * ```ts
 * await using ingest = await content.openIngest(`layer-${digest}`, { digest, size });
 * for await (const chunk of await fetchFrom(ingest.offset)) await ingest.write(chunk);
 * await ingest.commit({ digest });
 * ```
 *
 * The words, the layout on disk and the errors are containerd's (core/content, plugins/content/local, core/leases):
 * `blobs/sha256/<hex>` and `ingest/<sha256 of the ref>/{ref,data,total}`. Several processes may use the same root at
 * once. A file of our own, `flushed`, notes how many bytes of a large ingest a power cut leaves. It is written every
 * 64 MiB. After the machine's next start, the ingest goes on from there.
 *
 * ## What is there
 * A blob exists when its file exists. Labels and times are in the metadata store. A blob can lack a record there, after
 * a crash during its commit or after the metadata were rebuilt: it has no labels then, and is as old as its file.
 * Labels are certain once `commit` or `update` has resolved. A caller that finds a blob sets the labels that it needs.
 *
 * ## Garbage collection
 * `sweep` deletes blobs that nothing refers to, and idle ingests. A **lease** keeps blobs and ingests until it is
 * deleted or expires. See `Leases`.
 *
 * ## Damage
 * `verify` finds a damaged blob and changes nothing. To repair it, delete it and fetch it again, or ingest it again: a
 * commit replaces the file with the verified bytes.
 */
export interface ContentStore {
  readonly leases: Leases;

  /** @throws OverlayerError `NotFound` */
  stat(digest: Digest): Promise<BlobInfo>;
  /** Undefined when there is no such blob. */
  find(digest: Digest): Promise<BlobInfo | undefined>;
  /**
   * All blobs in the order of their digests. Filters know the fields `digest`, `size` and `labels.NAME`.
   *
   * @throws OverlayerError `InvalidArgument` (an invalid filter)
   */
  walk(options?: ListOptions): AsyncIterable<BlobInfo>;
  /** Changes labels, by the rules of `Snapshotter.update`. @throws OverlayerError `NotFound`, `InvalidArgument` */
  update(digest: Digest, patch: BlobPatch, options?: UpdateOptions): Promise<BlobInfo>;
  /** Deletes a blob. Reads that have begun continue; leases on it stay. @throws OverlayerError `NotFound` */
  delete(digest: Digest): Promise<void>;

  /** Path of the file that holds the blob. It must not be written to. @throws OverlayerError `NotFound` */
  path(digest: Digest): Promise<string>;
  /** Reads the blob's bytes, from an offset. @throws OverlayerError `NotFound`, `InvalidArgument` (an offset past its end) */
  read(digest: Digest, options?: ReadBlobOptions): AsyncIterable<Uint8Array>;

  /**
   * Begins an ingest, or continues the one with this ref.
   *
   * @throws OverlayerError
   *   - `Unavailable`: it has another writer, in this process or another
   *   - `AlreadyExists`: the blob of the expected digest is there, and has the expected size
   *   - `FailedPrecondition`: it was begun with another expected size, or has more bytes already
   */
  openIngest(ref: string, options?: OpenIngestOptions): Promise<Ingest>;
  /** @throws OverlayerError `NotFound` */
  ingest(ref: string): Promise<IngestInfo>;
  /** All ingests in the order of their refs. */
  ingests(): Promise<readonly IngestInfo[]>;
  /** Deletes an ingest and its bytes. @throws OverlayerError `NotFound`, `Unavailable` (it is being written to) */
  abort(ref: string): Promise<void>;

  /**
   * Reads a blob and compares it with its digest.
   *
   * @throws OverlayerError `NotFound`; `DataLoss` when the disk can't read it
   * @throws `signal.reason` after an abort
   */
  verify(digest: Digest, options?: AbortableOptions): Promise<BlobHealth>;

  /**
   * Deletes blobs that `mark`'s answer does not keep, and ingests without a recent write. It deletes nothing that a
   * lease holds. Other callers may work at the same time: a blob is deleted only if no lease held it, no commit made it
   * and no update labelled it between the call of `mark` and its deletion. `mark` may be slow. It need not see
   * references that other callers make meanwhile, because these callers hold leases (see `Leases`).
   *
   * @param mark finds the references, and answers for each digest whether to keep it. Its parameter is what leases held
   *   when the collection began: those blobs may refer to more.
   * @throws `signal.reason` after an abort; what is deleted by then stays deleted
   */
  sweep(
    mark: (held: readonly LeaseResource[]) => Promise<(digest: Digest) => boolean>,
    options?: SweepOptions,
  ): Promise<SweepResult>;
}

/** The record of a blob. `size` is in bytes. */
export interface BlobInfo {
  readonly digest: Digest;
  readonly size: number;
  readonly labels: Labels;
  readonly createdAt: ExactDate;
  readonly updatedAt: ExactDate;
}

/** The fields of a blob that `update` can change. */
export interface BlobPatch {
  readonly labels?: Labels | undefined;
}

/** Which bytes of a blob are read. */
export interface ReadBlobOptions extends AbortableOptions {
  /** @default 0 */
  readonly offset?: number | undefined;
  /** Bytes at most. @default all */
  readonly length?: number | undefined;
}

export const READ_BLOB_OPTIONS = {
  signal: true,
  offset: 'number',
  length: 'number',
} satisfies OptionNames<ReadBlobOptions>;

/** Digest and size of the future blob, as far as the caller knows them. */
export interface OpenIngestOptions {
  /** Digest of the future blob. @default unknown */
  readonly digest?: Digest | undefined;
  /** Size of the future blob, in bytes. @default the size that the ingest was begun with, else unknown */
  readonly size?: number | undefined;
  /**
   * `limit`: a write past `size` is refused. `hint`: `size` is only the default size of `commit`, as in containerd's
   * stores.
   * @default 'limit'
   */
  readonly sizeIs?: 'limit' | 'hint' | undefined;
}

export const OPEN_INGEST_OPTIONS = {
  digest: 'string',
  size: 'number',
  sizeIs: 'string',
} satisfies OptionNames<OpenIngestOptions>;

/** The state of an ingest. */
export interface IngestInfo {
  readonly ref: string;
  /** Bytes that were written. */
  readonly offset: number;
  /** Size of the future blob, in bytes; undefined when unknown. */
  readonly size: number | undefined;
  readonly startedAt: ExactDate;
  /** Time of the last write. */
  readonly updatedAt: ExactDate;
}

/**
 * One writer of one ingest. `close` without `commit` keeps the bytes for another writer. Calls are carried out one
 * after the other, even if the caller does not await them.
 */
export interface Ingest extends AsyncDisposable {
  readonly ref: string;
  /** Bytes that were written: the offset at which to continue. */
  readonly offset: number;
  /** Path of the file that collects the bytes. It can be read while it grows. */
  readonly path: string;
  /**
   * Appends a chunk, which must not change until this resolves. A refused chunk leaves no bytes, and more can be
   * written.
   *
   * @throws OverlayerError `ResourceExhausted` (a full disk, or past the expected size)
   */
  write(chunk: Uint8Array): Promise<void>;
  /** Keeps the first `length` bytes. @default 0 @throws OverlayerError `InvalidArgument` (there are fewer) */
  truncate(length?: number): Promise<void>;
  /**
   * Verifies the bytes, writes them to the disk, makes the blob and ends the ingest. A blob that exists keeps its
   * labels, and gets those given here. Leases on the ingest hold the blob afterwards.
   *
   * @throws OverlayerError
   *   - `AlreadyExists`: with `existing: 'refuse'`, the blob is there. The ingest is gone; its leases hold the blob
   *   - `FailedPrecondition`: another size or digest than expected; the ingest is as it was
   *   - `DataLoss`, `ResourceExhausted`: the disk did not take the bytes. It is unknown which of them it has, so all
   *     are deleted and the ingest begins anew. Or the disk did not take the metadata: this writer is closed then
   * @throws `signal.reason` after an abort; the ingest is as it was
   */
  commit(options?: CommitIngestOptions): Promise<BlobInfo>;
  /** A second time does nothing. */
  close(): Promise<void>;
}

/** Expected digest and size of the blob, and its labels. */
export interface CommitIngestOptions extends AbortableOptions {
  /** Digest of the bytes. @default the digest of `openIngest`, else any */
  readonly digest?: Digest | undefined;
  /** Size in bytes. @default the size of `openIngest`, else any */
  readonly size?: number | undefined;
  readonly labels?: Labels | undefined;
  /**
   * Digest of the bytes in the ingest, computed by the caller over all of them. They are not read again.
   */
  readonly hashed?: Digest | undefined;
  /**
   * The reaction to an existing blob: `replace` replaces its bytes by these; `refuse` fails, as containerd's stores do
   * (plugins/content/local, core/metadata). A blob of another size is damaged: both replace it.
   * @default 'replace'
   */
  readonly existing?: 'replace' | 'refuse' | undefined;
}

export const COMMIT_INGEST_OPTIONS = {
  signal: true,
  digest: 'string',
  size: 'number',
  labels: 'object',
  hashed: 'string',
  existing: 'string',
} satisfies OptionNames<CommitIngestOptions>;

/** Whether the bytes of a blob have its digest. `actual` and `size` (bytes) are those of the bytes that are there. */
export type BlobHealth =
  | { readonly state: 'whole' }
  | { readonly state: 'damaged'; readonly actual: Digest; readonly size: number };

/** The limits of a sweep. */
export interface SweepOptions extends AbortableOptions {
  /** Deletes ingests whose last write is older than this, in milliseconds. @default 24 hours */
  readonly ingestsIdleMs?: number | undefined;
}

export const SWEEP_OPTIONS = {
  signal: true,
  ingestsIdleMs: 'number',
} satisfies OptionNames<SweepOptions>;

/** The blobs and ingests that a sweep has deleted. */
export interface SweepResult {
  readonly blobs: readonly Digest[];
  /** Refs of the ingests. */
  readonly ingests: readonly string[];
  /** Bytes that all of them took. */
  readonly bytes: number;
}

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
 * Blobs by their digest. A blob is whole, verified and on disk, or not there: an **ingest** collects its bytes under
 * a **ref** of the caller's choice, and `commit` makes a blob of them. An ingest outlives the process; whoever opens
 * its ref again goes on where it ended.
 *
 * ```ts
 * await using ingest = await content.openIngest(`layer-${digest}`, { digest, size });
 * for await (const chunk of await fetchFrom(ingest.offset)) await ingest.write(chunk);
 * await ingest.commit({ digest });
 * ```
 *
 * The words, the layout on disk and the errors are containerd's (core/content, plugins/content/local, core/leases):
 * `blobs/sha256/<hex>` and `ingest/<sha256 of the ref>/{ref,data,total}`. Several processes may use the same root at
 * once.
 *
 * ## What is there
 * The file says: a blob is there when its file is. Labels and times are in the metadata store; a blob without a record
 * there (a crash cut its commit short, or the metadata were made anew) is one without labels, as old as its file. So
 * labels are sure only when `commit` or `update` has resolved, and whoever finds a blob sets those that it needs.
 *
 * ## What is not used
 * What nothing refers to is taken away by the garbage collection; a **lease** keeps blobs and ingests from it until it
 * is deleted or expires. See `leases.ts` and `sweep`.
 *
 * ## What is damaged
 * A disk can lose what it had. `verify` finds a damaged blob, and touches nothing. To heal it, delete it and fetch it
 * again; or ingest it again as it is: a commit puts its verified bytes in the place of those that are there.
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
   * @throws OverlayerError `InvalidArgument` (a filter that can't be read)
   */
  walk(options?: ListOptions): AsyncIterable<BlobInfo>;
  /** As `Snapshotter.update`. @throws OverlayerError `NotFound`, `InvalidArgument` */
  update(digest: Digest, patch: BlobPatch, options?: UpdateOptions): Promise<BlobInfo>;
  /** Whoever reads it goes on; leases on it stay. @throws OverlayerError `NotFound` */
  delete(digest: Digest): Promise<void>;

  /** The file that holds the blob: for whoever reads it by path. Not to be written to. @throws OverlayerError `NotFound` */
  path(digest: Digest): Promise<string>;
  /** The blob's bytes, from an offset on. @throws OverlayerError `NotFound`, `InvalidArgument` (an offset past its end) */
  read(digest: Digest, options?: ReadBlobOptions): AsyncIterable<Uint8Array>;

  /**
   * Begins an ingest, or goes on with the one of this ref.
   *
   * @throws OverlayerError
   *   - `Unavailable`: somebody else, in this process or another, is writing to it
   *   - `AlreadyExists`: the blob of the expected digest is there, and has the expected size
   *   - `FailedPrecondition`: it was begun with another expected size, or has more bytes already
   */
  openIngest(ref: string, options?: OpenIngestOptions): Promise<Ingest>;
  /** @throws OverlayerError `NotFound` */
  ingest(ref: string): Promise<IngestInfo>;
  /** By the order of their refs. */
  ingests(): Promise<readonly IngestInfo[]>;
  /** Takes an ingest and its bytes away. @throws OverlayerError `NotFound`, `Unavailable` (it is being written to) */
  abort(ref: string): Promise<void>;

  /**
   * Reads a blob again, and compares it with its digest.
   *
   * @throws OverlayerError `NotFound`; `DataLoss` when the disk can't read it
   */
  verify(digest: Digest, options?: AbortableOptions): Promise<BlobHealth>;

  /**
   * Takes away what nobody uses: blobs that `mark`'s answer does not keep, and ingests that nobody has written to for
   * long. Nothing goes that a lease holds. Others may be at work meanwhile: a blob goes only when, from before `mark`
   * was called until it goes, no lease held it, no commit made it and no update labelled it. So `mark` may take its
   * time, and what it finds may be out of date by the end: whoever has changed that had a lease (`leases.ts`).
   *
   * @param mark finds what is referred to, and says of each digest whether to keep it. It gets what leases held when
   *   the collection began: that may refer to more.
   * @throws `signal.reason` when the signal asks for the end; what has gone is gone
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
  offset: true,
  length: true,
} satisfies OptionNames<ReadBlobOptions>;

/** What is known of the blob before its bytes come. */
export interface OpenIngestOptions {
  /** Of the blob to be. @default unknown */
  readonly digest?: Digest | undefined;
  /** Bytes of the blob to be. @default unknown, or as it was begun */
  readonly size?: number | undefined;
  /**
   * Whether more bytes than `size` are refused when they are written, or only by a commit that says no other size, as
   * containerd's stores do it. @default 'limit'
   */
  readonly sizeIs?: 'limit' | 'hint' | undefined;
}

export const OPEN_INGEST_OPTIONS = {
  digest: true,
  size: true,
  sizeIs: true,
} satisfies OptionNames<OpenIngestOptions>;

/** The state of an ingest. */
export interface IngestInfo {
  readonly ref: string;
  /** Bytes that are there. */
  readonly offset: number;
  /** Bytes of the blob to be; undefined when unknown. */
  readonly size: number | undefined;
  readonly startedAt: ExactDate;
  /** Of the last write. */
  readonly updatedAt: ExactDate;
}

/**
 * One writer of one ingest. `close` without `commit` keeps what is there, for another time. Its calls take their turns,
 * also when one does not wait for the one before.
 */
export interface Ingest extends AsyncDisposable {
  readonly ref: string;
  /** Bytes that are there: where to go on. */
  readonly offset: number;
  /** The file that collects the bytes, for whoever reads along. */
  readonly path: string;
  /**
   * Appends. The chunk must stay as it is until this resolves. When it is refused, nothing of it is there, and more can
   * be written.
   *
   * @throws OverlayerError `ResourceExhausted` (a full disk, or past the expected size)
   */
  write(chunk: Uint8Array): Promise<void>;
  /** Keeps the first `length` bytes. @default 0 @throws OverlayerError `InvalidArgument` (there are fewer) */
  truncate(length?: number): Promise<void>;
  /**
   * Verifies the bytes, brings them to the disk and makes the blob; ends the ingest. Where the blob is there already,
   * its labels stay, beside those given here. Leases of the ingest hold the blob from then on.
   *
   * @throws OverlayerError
   *   - `AlreadyExists`: with `existing: 'refuse'`, the blob is there. The ingest is gone; its leases hold the blob
   *   - `FailedPrecondition`: another size or digest than expected; the ingest is as it was
   *   - `DataLoss`, `ResourceExhausted`: the disk has not taken the bytes. They are gone, for nobody knows which of
   *     them it has, and the ingest begins anew. Or it has not taken the metadata: this writer is closed then
   * @throws `signal.reason` when the signal asks for the end; the ingest is as it was
   */
  commit(options?: CommitIngestOptions): Promise<BlobInfo>;
  /** A second time does nothing. */
  close(): Promise<void>;
}

/** What the blob must be, and its labels. */
export interface CommitIngestOptions extends AbortableOptions {
  /** @default that of `openIngest`, or whatever it is */
  readonly digest?: Digest | undefined;
  /** @default that of `openIngest`, or whatever it is */
  readonly size?: number | undefined;
  readonly labels?: Labels | undefined;
  /**
   * The digest of the very bytes that are in the ingest, by one who has hashed them all, on their way or in its file.
   * They are not read again.
   */
  readonly hashed?: Digest | undefined;
  /**
   * What to do where the blob is there already: put these verified bytes in its place, or leave it, as containerd's
   * stores do (plugins/content/local, core/metadata). One of another size is damaged, and is replaced either way.
   * @default 'replace'
   */
  readonly existing?: 'replace' | 'refuse' | undefined;
}

export const COMMIT_INGEST_OPTIONS = {
  signal: true,
  digest: true,
  size: true,
  labels: true,
  hashed: true,
  existing: true,
} satisfies OptionNames<CommitIngestOptions>;

/** Whether the bytes of a blob have its digest. `actual` and `size` (bytes) are those of the bytes that are there. */
export type BlobHealth =
  | { readonly state: 'whole' }
  | { readonly state: 'damaged'; readonly actual: Digest; readonly size: number };

/** What a sweep may delete. */
export interface SweepOptions extends AbortableOptions {
  /** Ingests go that nobody has written to for so many milliseconds. @default 24 hours */
  readonly ingestsIdleMs?: number | undefined;
}

export const SWEEP_OPTIONS = {
  signal: true,
  ingestsIdleMs: true,
} satisfies OptionNames<SweepOptions>;

/** What a sweep has deleted. */
export interface SweepResult {
  readonly blobs: readonly Digest[];
  /** Their refs. */
  readonly ingests: readonly string[];
  /** What they took, together. */
  readonly bytes: number;
}

import type { AbortableOptions } from '../base/abort.js';
import type { Labels } from '../metadata/labels.js';
import type { Digest } from '../oci/digest.js';

/**
 * # Content
 *
 * Blobs by their digest. A blob is whole, verified and on disk, or not there: an **ingest** collects its bytes under
 * a **ref** of the caller's choice, and `commit` makes a blob of them. An ingest outlives the process; whoever opens
 * its ref again goes on where it ended.
 *
 * What nothing refers to is taken away by the garbage collection; a **lease** keeps blobs, ingests and snapshots from it until
 * it is deleted or expires.
 *
 * The words, the layout on disk and the errors are containerd's (core/content, plugins/content/local, core/leases).
 * Several processes may use the same root at once.
 */
export interface ContentStore {
  /** @throws OverlayerError `NotFound` */
  stat(digest: Digest): Promise<BlobInfo>;
  /** Blobs in the order of their digests, those that pass one of the filters (fields `digest`, `size`, `labels.NAME`). */
  walk(filters?: readonly string[]): AsyncIterable<BlobInfo>;
  /** As `Snapshotter.update`. @throws OverlayerError `NotFound`, `InvalidArgument` */
  update(digest: Digest, patch: BlobPatch, fieldpaths?: readonly string[]): Promise<BlobInfo>;
  /** @throws OverlayerError `NotFound` */
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
   *   - `AlreadyExists`: the blob of the expected digest is there
   *   - `FailedPrecondition`: it was begun with another expected size
   */
  openIngest(ref: string, options?: OpenIngestOptions): Promise<Ingest>;
  ingests(): Promise<readonly IngestInfo[]>;
  /** Takes an ingest and its bytes away. @throws OverlayerError `NotFound`, `Unavailable` */
  abort(ref: string): Promise<void>;

  /** Reads a blob again, and compares it with its digest. @throws OverlayerError `NotFound` */
  verify(digest: Digest, options?: AbortableOptions): Promise<BlobHealth>;
}

export interface BlobInfo {
  readonly digest: Digest;
  readonly size: number;
  readonly labels: Labels;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface BlobPatch {
  readonly labels?: Labels | undefined;
}

export interface ReadBlobOptions extends AbortableOptions {
  /** @default 0 */
  readonly offset?: number | undefined;
  /** Bytes at most. @default all */
  readonly length?: number | undefined;
}

export interface OpenIngestOptions {
  /** Of the blob to be. @default unknown */
  readonly digest?: Digest | undefined;
  /** Bytes of the blob to be. @default unknown */
  readonly size?: number | undefined;
}

export interface IngestInfo {
  readonly ref: string;
  /** Bytes that are there. */
  readonly offset: number;
  readonly size: number | undefined;
  readonly startedAt: Date;
  readonly updatedAt: Date;
}

/** One writer of one ingest. `close` without `commit` keeps what is there, for another time. */
export interface Ingest extends AsyncDisposable {
  readonly ref: string;
  /** Bytes that are there: where to go on. */
  readonly offset: number;
  /** The file that collects the bytes, for whoever reads along. */
  readonly path: string;
  /** Appends. @throws OverlayerError `ResourceExhausted` (a full disk, or past the expected size) */
  write(chunk: Uint8Array): Promise<void>;
  /** Keeps the first `length` bytes. @default 0 */
  truncate(length?: number): Promise<void>;
  /**
   * Verifies the bytes, brings them to the disk and makes the blob. Where the blob is there already, that one stays,
   * and the ingest goes.
   *
   * @throws OverlayerError `FailedPrecondition`: another size or digest than expected; the ingest is as it was
   */
  commit(options?: CommitIngestOptions): Promise<BlobInfo>;
  close(): Promise<void>;
}

export interface CommitIngestOptions {
  readonly digest?: Digest | undefined;
  readonly size?: number | undefined;
  readonly labels?: Labels | undefined;
  /**
   * The digest of the very bytes that were written, by one who hashed them on their way. They are not read again.
   */
  readonly hashed?: Digest | undefined;
}

export type BlobHealth =
  | { readonly state: 'whole' }
  | { readonly state: 'damaged'; readonly actual: Digest; readonly size: number };

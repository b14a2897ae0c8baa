import type { FileHandle } from 'node:fs/promises';
import { checkOptions } from '../base/check-arguments.js';
import { OverlayerError } from '../base/errors.js';
import { checkLabels, type Labels } from '../metadata/labels.js';
import { type Digest, parseDigest } from '../oci/digest.js';
import { toOverlayerError } from '../system/errno-code.js';
import { blobExists } from './blob-records.js';
import {
  type BlobInfo,
  COMMIT_INGEST_OPTIONS,
  type CommitIngestOptions,
  type Ingest,
  type OpenIngestOptions,
} from './content-store.js';
import { hashFile } from './file-bytes.js';
import type { LockedIngest } from './ingest-directories.js';

const BLOB_MODE = 0o444;
/** A power cut loses about so many bytes of an ingest at most. */
const FLUSH_BYTES = 64 * 1024 ** 2;
/** Node refuses more than 2 GiB at once. */
const MAX_WRITE = 1 << 30;

/** The store that a committed ingest goes to. */
export interface IngestTarget {
  /** Makes a blob of an ingest's verified and synced file. @returns undefined when the blob exists and is kept (`refuse`) */
  publish(file: VerifiedFile, options: PublishOptions): Promise<BlobInfo | undefined>;
}

export interface VerifiedFile extends Pick<Ingest, 'ref' | 'path'> {
  readonly digest: Digest;
  readonly size: number;
}

export interface PublishOptions extends Pick<CommitIngestOptions, 'existing'> {
  readonly labels: Labels;
}

/** A writer of the file `<ingest>/data`. It holds the ingest's lock until it is closed. */
export class FileIngest implements Ingest {
  readonly ref: string;
  readonly path: string;
  readonly #target: IngestTarget;
  readonly #directory: LockedIngest;
  readonly #file: FileHandle;
  readonly #expected: OpenIngestOptions;
  #offset: number;
  /** Bytes that were flushed, or are being flushed. */
  #flushed: number;
  /** The last flush. It runs beside the writes. */
  #flushing: Promise<void> | undefined;
  /** The latest call. The next call waits for it. */
  #last: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;

  constructor(
    target: IngestTarget,
    directory: LockedIngest,
    file: FileHandle,
    begun: OpenIngestOptions & { readonly ref: string; readonly offset: number },
  ) {
    this.ref = begun.ref;
    this.path = directory.data;
    this.#target = target;
    this.#directory = directory;
    this.#file = file;
    this.#expected = begun;
    this.#offset = begun.offset;
    this.#flushed = begun.offset;
  }

  get offset(): number {
    return this.#offset;
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#inTurn('write to', async () => {
      const { size, sizeIs } = this.#expected;
      if (sizeIs === 'limit' && size !== undefined && this.#offset + chunk.length > size)
        throw new OverlayerError('ResourceExhausted', `Ingest "${this.ref}" gets more than ${size} bytes`, {
          expected: String(size),
        });
      try {
        await this.#append(chunk);
        this.#directory.stamp(this.#file);
      } catch (error) {
        await this.#file.truncate(this.#offset).catch(() => {}); // `commit` does it again
        throw error;
      }
      this.#offset += chunk.length;
      if (this.#offset - this.#flushed >= FLUSH_BYTES) await this.#flushSoon();
    });
  }

  /** Waits for the flush before: a disk that is slower than the writes holds them back. */
  async #flushSoon(): Promise<void> {
    try {
      await this.#flushing;
    } catch {
      return; // the commit reports it
    }
    const bytes = this.#offset;
    this.#flushed = bytes;
    this.#flushing = this.#file.datasync().then(() => this.#directory.noteFlushed(bytes).catch(() => {}));
    this.#flushing.catch(() => {}); // the commit reports it
  }

  async #append(chunk: Uint8Array): Promise<void> {
    for (let done = 0; done < chunk.length; ) {
      const length = Math.min(chunk.length - done, MAX_WRITE);
      done += (await this.#file.write(chunk, done, length, this.#offset + done)).bytesWritten;
    }
  }

  truncate(length = 0): Promise<void> {
    return this.#inTurn('cut', async () => {
      if (!Number.isSafeInteger(length) || length < 0 || length > this.#offset)
        throw new OverlayerError(
          'InvalidArgument',
          `Ingest "${this.ref}" has ${this.#offset} bytes, not ${length}`,
        );
      await this.#flushing?.catch(() => {});
      await this.#file.truncate(length);
      this.#directory.stamp(this.#file);
      this.#offset = length;
      if (this.#flushed > length) {
        this.#flushed = length;
        await this.#directory.noteFlushed(length);
      }
    });
  }

  commit(options: CommitIngestOptions = {}): Promise<BlobInfo> {
    return this.#inTurn('commit', async () => {
      checkOptions('commit', options, COMMIT_INGEST_OPTIONS);
      const { labels = {}, existing, signal } = options;
      checkLabels(labels);
      this.#checkSize(options.size ?? this.#expected.size);
      signal?.throwIfAborted();
      const digest = await this.#verify(options);
      try {
        const { ref, path, offset: size } = this;
        const blob = await this.#target.publish({ ref, path, digest, size }, { labels, existing });
        await this.#close('remove');
        if (blob === undefined) throw blobExists(digest);
        return blob;
      } finally {
        // The writer closes after any failure: the file may be a blob already, which must not be written to.
        await this.#close('keep');
      }
    });
  }

  /**
   * Flushes the file, and hashes it meanwhile unless the caller has done so. Hashing each chunk in `write` would not be
   * faster (256 MiB: 0.5 to 0.6 s on tmpfs and 0.7 to 1 s on ext4, both ways), and most callers pass `hashed`.
   */
  async #verify({ digest = this.#expected.digest, hashed, signal }: CommitIngestOptions): Promise<Digest> {
    if (digest !== undefined) parseDigest(digest);
    if (hashed !== undefined) this.#checkDigest(digest, parseDigest(hashed));
    const { size } = await this.#file.stat();
    if (size !== this.#offset) await this.#file.truncate(this.#offset); // rest of a refused chunk
    await this.#file.chmod(BLOB_MODE);
    const hashing = hashed === undefined ? hashFile(this.#file, { signal }) : { digest: hashed };
    const [read, synced] = await Promise.allSettled([hashing, this.#sync()]);
    if (synced.status === 'rejected') throw synced.reason;
    if (read.status === 'rejected') throw read.reason;
    this.#checkDigest(digest, read.value.digest);
    return read.value.digest;
  }

  async #sync(): Promise<void> {
    try {
      await this.#flushing;
      await this.#file.sync();
    } catch (error) {
      // The kernel reports a failed write only once. It marks the pages as clean, so a second fsync would succeed.
      await this.#file.truncate(0);
      this.#offset = 0;
      throw error;
    }
  }

  #checkSize(expected: number | undefined): void {
    if (expected === undefined || expected === this.#offset) return;
    throw new OverlayerError(
      'FailedPrecondition',
      `Ingest "${this.ref}" has ${this.#offset} bytes, and not the expected ${expected}`,
      { expected: String(expected), actual: String(this.#offset) },
    );
  }

  #checkDigest(expected: Digest | undefined, actual: Digest): void {
    if (expected === undefined || expected === actual) return;
    throw new OverlayerError(
      'FailedPrecondition',
      `Ingest "${this.ref}" has the digest ${actual}, and not the expected ${expected}`,
      { expected, actual },
    );
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#close('keep');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #close(outcome: 'keep' | 'remove'): Promise<void> {
    this.#closed ??= this.#end(outcome);
    return this.#closed;
  }

  async #end(outcome: 'keep' | 'remove'): Promise<void> {
    try {
      await this.#flushing?.catch(() => {});
      await this.#file.close();
      // The blob exists. `sweep` deletes the directory if that fails here.
      if (outcome === 'remove') await this.#directory.remove().catch(() => {});
    } finally {
      this.#directory.release();
    }
  }

  /** Runs `work` after all earlier calls. */
  #inTurn<T>(what: string, work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(async () => {
      if (this.#closed !== undefined)
        throw new OverlayerError('FailedPrecondition', `The writer of ingest "${this.ref}" is closed`);
      try {
        return await work();
      } catch (error) {
        throw toOverlayerError(error, `Cannot ${what} ingest "${this.ref}"`);
      }
    });
    this.#last = turn.catch(() => {});
    return turn;
  }
}

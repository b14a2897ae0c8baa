import { type FileHandle, open } from 'node:fs/promises';
import { ABORTABLE_OPTIONS, type AbortableOptions } from '../base/abort.js';
import { checkArgument, checkOptions } from '../base/check-arguments.js';
import { OverlayerError } from '../base/errors.js';
import type { Fields } from '../metadata/filter.js';
import { filterBy, LIST_OPTIONS, type ListOptions } from '../metadata/filter-by.js';
import { labelOf, UPDATE_OPTIONS, type UpdateOptions } from '../metadata/labels.js';
import type { MetadataStore } from '../metadata/metadata-store.js';
import { checkName } from '../metadata/name.js';
import type { Digest } from '../oci/digest.js';
import { toOverlayerError } from '../system/errno-code.js';
import { readClock } from '../system/read-clock.js';
import { syncDirectory } from '../system/sync-directory.js';
import type { System } from '../system/system.js';
import type { BlobFiles } from './blob-files.js';
import {
  blobExists,
  blobNotFound,
  createBlob,
  deleteBlob,
  findBlob,
  getBlob,
  updateBlob,
} from './blob-records.js';
import {
  type BlobHealth,
  type BlobInfo,
  type BlobPatch,
  type ContentStore,
  type Ingest,
  type IngestInfo,
  OPEN_INGEST_OPTIONS,
  type OpenIngestOptions,
  READ_BLOB_OPTIONS,
  type ReadBlobOptions,
  SWEEP_OPTIONS,
  type SweepOptions,
  type SweepResult,
} from './content-store.js';
import { hashFile, readFile } from './file-bytes.js';
import { FileIngest, type IngestTarget, type PublishOptions, type VerifiedFile } from './file-ingest.js';
import {
  type FoundIngest,
  type IngestDirectories,
  ingestNotFound,
  type LockedIngest,
} from './ingest-directories.js';
import type { LeaseHolds } from './lease-holds.js';
import { handOver } from './lease-records.js';
import type { LeaseResource, Leases } from './leases.js';
import { StoredLeases } from './stored-leases.js';
import { sweepContent } from './sweep-content.js';

/** Blobs that `walk` reads in one transaction. An open transaction keeps free space from reuse, so none stays open between yields. */
const WALK_BATCH = 256;

/** The implementation of the contract: blobs are files, and their labels are in a metadata store. */
export class StoredContent implements ContentStore, IngestTarget {
  readonly leases: Leases;
  readonly #system: System;
  readonly #metadata: MetadataStore;
  readonly #blobs: BlobFiles;
  readonly #ingests: IngestDirectories;
  readonly #holds: LeaseHolds;

  constructor(
    system: System,
    metadata: MetadataStore,
    blobs: BlobFiles,
    ingests: IngestDirectories,
    holds: LeaseHolds,
  ) {
    this.#system = system;
    this.leases = new StoredLeases(metadata, holds);
    this.#metadata = metadata;
    this.#blobs = blobs;
    this.#ingests = ingests;
    this.#holds = holds;
  }

  async stat(digest: Digest): Promise<BlobInfo> {
    return this.#metadata.read((transaction) => getBlob(transaction, this.#blobs, digest));
  }

  async find(digest: Digest): Promise<BlobInfo | undefined> {
    return this.#metadata.read((transaction) => findBlob(transaction, this.#blobs, digest));
  }

  async *walk(options: ListOptions = {}): AsyncGenerator<BlobInfo> {
    checkOptions('walk', options, LIST_OPTIONS);
    const { filters = [], signal } = options;
    const passes = await filterBy(filters);
    const digests = await run('Cannot list the blobs', () => this.#blobs.list());
    for (let at = 0; at < digests.length; at += WALK_BATCH) {
      signal?.throwIfAborted();
      const batch = this.#metadata.read((transaction) =>
        digests
          .slice(at, at + WALK_BATCH)
          .flatMap((digest) => findBlob(transaction, this.#blobs, digest) ?? []),
      );
      for (const blob of batch) if (passes(blobFields(blob))) yield blob;
    }
  }

  async update(digest: Digest, patch: BlobPatch, options: UpdateOptions = {}): Promise<BlobInfo> {
    checkOptions('update', options, UPDATE_OPTIONS);
    checkArgument('patch', patch, 'object');
    const { labels = {} } = patch;
    const { fieldpaths = [] } = options;
    return await this.#metadata.write((transaction) =>
      updateBlob(transaction, this.#blobs, digest, labels, fieldpaths, readClock(this.#system)),
    );
  }

  async delete(digest: Digest): Promise<void> {
    await this.#blobs.freeLater([digest], () =>
      this.#metadata.write((transaction) => deleteBlob(transaction, this.#blobs, digest)),
    );
  }

  async path(digest: Digest): Promise<string> {
    if (this.#blobs.find(digest) === undefined) throw blobNotFound(digest);
    return this.#blobs.pathOf(digest);
  }

  async *read(digest: Digest, options: ReadBlobOptions = {}): AsyncGenerator<Uint8Array> {
    checkOptions('read', options, READ_BLOB_OPTIONS);
    const failure = `Cannot read blob ${digest}`;
    const file = await this.#open(digest, failure);
    try {
      yield* readFile(file, options);
    } catch (error) {
      throw toOverlayerError(error, failure);
    } finally {
      await file.close();
    }
  }

  async openIngest(ref: string, options: OpenIngestOptions = {}): Promise<Ingest> {
    checkOptions('openIngest', options, OPEN_INGEST_OPTIONS);
    checkName('Ref', ref);
    const { digest, size } = options;
    if (digest !== undefined && this.#isThere(digest, size)) throw blobExists(digest);
    return await run(`Cannot open ingest "${ref}"`, async () => {
      const directory = this.#ingests.take(ref);
      try {
        if (digest === undefined || !this.#isThere(digest, size))
          return await this.#begin(ref, directory, options);
        // The previous writer has just made the blob.
        await directory.remove();
        throw blobExists(digest);
      } catch (error) {
        directory.release();
        throw error;
      }
    });
  }

  /** A file of another size does not count: the blob is damaged, or the size is wrong. */
  #isThere(digest: Digest, size: number | undefined): boolean {
    const file = this.#blobs.find(digest);
    return file !== undefined && file.size === (size ?? file.size);
  }

  async #begin(ref: string, directory: LockedIngest, options: OpenIngestOptions): Promise<Ingest> {
    const found = await this.#ingests.read(directory.name);
    const offset = found?.offset ?? 0;
    const { digest, size = found?.size, sizeIs = 'limit' } = options;
    if (size !== (found?.size ?? size) || (size !== undefined && offset > size && sizeIs === 'limit'))
      throw new OverlayerError(
        'FailedPrecondition',
        `Ingest "${ref}" has ${offset} of ${found?.size ?? 'unknown'} bytes, and not of ${size}`,
        { hint: 'use another ref, or abort this ingest' },
      );
    if (found?.ref === undefined) await directory.note('ref', ref);
    if (found?.size === undefined && size !== undefined) await directory.note('total', String(size));
    const file = await directory.open();
    if ((await file.stat()).size > offset) {
      await file.truncate(offset);
      await directory.noteFlushed(offset);
    }
    if (found?.ref === undefined) directory.stamp(file);
    return new FileIngest(this, directory, file, { ref, offset, digest, size, sizeIs });
  }

  async ingest(ref: string): Promise<IngestInfo> {
    checkName('Ref', ref);
    const found = await run(`Cannot look for ingest "${ref}"`, () => this.#ingests.look(ref));
    if (!hasRef(found)) throw ingestNotFound(ref);
    return found;
  }

  async ingests(): Promise<readonly IngestInfo[]> {
    return await run('Cannot list the ingests', async () => {
      const names = await this.#ingests.list();
      const found = await Promise.all(names.map((name) => this.#ingests.read(name)));
      return found.filter(hasRef).sort((a, b) => (a.ref < b.ref ? -1 : 1));
    });
  }

  async abort(ref: string): Promise<void> {
    checkName('Ref', ref);
    await run(`Cannot abort ingest "${ref}"`, async () => {
      const directory = this.#ingests.find(ref);
      try {
        await directory.remove();
      } finally {
        directory.release();
      }
    });
  }

  async publish(file: VerifiedFile, { labels, existing }: PublishOptions): Promise<BlobInfo | undefined> {
    const { ref, path, digest } = file;
    const blob = await this.#blobs.freeLater([digest], () =>
      this.#metadata.write((transaction) => {
        handOver(transaction, ref, digest);
        if (existing === 'refuse' && this.#isThere(digest, file.size)) return undefined;
        return createBlob(transaction, this.#blobs, path, digest, labels, readClock(this.#system));
      }),
    );
    await syncDirectory(this.#blobs.path);
    return blob;
  }

  async verify(digest: Digest, options: AbortableOptions = {}): Promise<BlobHealth> {
    checkOptions('verify', options, ABORTABLE_OPTIONS);
    const failure = `Cannot verify blob ${digest}`;
    const file = await this.#open(digest, failure);
    return await run(failure, async () => {
      try {
        const { digest: actual, size } = await hashFile(file, options);
        return actual === digest ? { state: 'whole' } : { state: 'damaged', actual, size };
      } finally {
        await file.close();
      }
    });
  }

  sweep(
    mark: (held: readonly LeaseResource[]) => Promise<(digest: Digest) => boolean>,
    options: SweepOptions = {},
  ): Promise<SweepResult> {
    const content = {
      metadata: this.#metadata,
      blobs: this.#blobs,
      ingests: this.#ingests,
      holds: this.#holds,
    };
    return run('Cannot sweep', () => {
      checkOptions('sweep', options, SWEEP_OPTIONS);
      checkArgument('mark', mark, 'function');
      return sweepContent(content, mark, options);
    });
  }

  async #open(digest: Digest, failure: string): Promise<FileHandle> {
    try {
      return await open(this.#blobs.pathOf(digest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw blobNotFound(digest);
      throw toOverlayerError(error, failure);
    }
  }
}

/** @param failure the message's beginning when a system call fails */
async function run<T>(failure: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toOverlayerError(error, failure);
  }
}

function hasRef(found: FoundIngest | undefined): found is IngestInfo {
  return found?.ref !== undefined;
}

/** The fields that filters of `walk` know. A label's name may contain dots. */
function blobFields({ digest, size, labels }: BlobInfo): Fields {
  return ([field, ...rest]) => {
    if (field === 'labels') return labelOf(labels, rest.join('.'));
    if (rest.length > 0) return undefined;
    return field === 'digest' ? digest : field === 'size' ? String(size) : undefined;
  };
}

import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import type { BlobInfo, CommitIngestOptions, ContentStore } from '../../src/content/content-store.js';
import { openContentStore } from '../../src/content/open-content-store.js';
import { type Digest, OverlayerError } from '../../src/index.js';
import { openLmdbStore } from '../../src/metadata/lmdb-store.js';
import type { MetadataStore } from '../../src/metadata/metadata-store.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

export interface Content {
  readonly root: string;
  readonly metadata: MetadataStore;
  readonly store: ContentStore;
  /** Makes a blob of these bytes. */
  put(bytes: Uint8Array | string, options?: CommitIngestOptions): Promise<BlobInfo>;
  /** Closes it, and opens it again, as another process would. */
  reopen(): Promise<void>;
}

/** A content store for each test of the file, or the block. */
export function useContent(): Content {
  let directory: string;
  let metadata: MetadataStore;
  let store: ContentStore;
  const root = () => join(directory, 'content');
  const open = async () => {
    metadata = openLmdbStore(join(directory, 'metadata.db'));
    store = await openContentStore({ root: root(), metadata });
  };
  beforeEach(async () => {
    directory = makeWorkDirectory();
    await open();
  });
  afterEach(async () => {
    await metadata.close();
    rmSync(directory, { recursive: true });
  });
  return {
    get root() {
      return root();
    },
    get metadata() {
      return metadata;
    },
    get store() {
      return store;
    },
    async put(bytes, options) {
      await using ingest = await store.openIngest(`put ${digestOf(bytes)}`);
      await ingest.write(Buffer.from(bytes));
      return await ingest.commit(options);
    },
    async reopen() {
      await metadata.close();
      await open();
    },
  };
}

export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Where the blob is on disk. */
export function blobPath(root: string, digest: Digest): string {
  return join(root, 'blobs/sha256', digest.slice('sha256:'.length));
}

/** Where the ingest is on disk. */
export function ingestPath(root: string, ref: string): string {
  return join(root, 'ingest', createHash('sha256').update(ref).digest('hex'));
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

export async function readAll(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  return Buffer.concat(await collect(pieces)).toString();
}

/** The code it is refused with. */
export async function refusal(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => expect.fail('it was not refused'),
    (reason: unknown) => reason,
  );
  if (!OverlayerError.is(error)) throw error;
  return error.code;
}

import { createHash, randomUUID } from 'node:crypto';
import { constants, type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { descriptorPath } from '../../base/descriptor-path.js';
import { isCode } from '../../base/errors.js';
import type { ContentStore, Ingest } from '../../content/content-store.js';
import type { Digest } from '../../oci/digest.js';
import { fromSystemError } from '../../system/errno-code.js';
import { asSystemError } from '../../system/system.js';
import type { TarEntryReader } from '../../tar/reader.js';
import type { LocalFile } from '../source/local-file.js';
import { checkMember, digestOfMember, type MemberStore } from './read-members.js';

/** Members as blobs of a content store. */
export class ContentMembers implements MemberStore {
  readonly #content: ContentStore;
  readonly #lease: string | undefined;
  readonly #refs = `archive-${randomUUID()}`;

  /** @param lease id of the lease that protects the blobs from garbage collection */
  constructor(content: ContentStore, lease: string | undefined) {
    this.#content = content;
    this.#lease = lease;
  }

  async keep(member: TarEntryReader): Promise<LocalFile> {
    const { entry } = member;
    const ref = `${this.#refs}-${entry.offset}`;
    const expected = digestOfMember(entry);
    const { leases } = this.#content;
    if (this.#lease !== undefined) {
      await leases.add(this.#lease, { type: 'ingest', id: ref });
      if (expected !== undefined) await leases.add(this.#lease, { type: 'content', id: expected });
    }
    const digest = await this.#store(member, ref, expected);
    const path = await this.#content.path(digest);
    return { digest, bytes: { path, offset: 0, length: entry.size } };
  }

  /** @returns the digest of the blob, which is in the store afterwards */
  async #store({ entry, body }: TarEntryReader, ref: string, expected: Digest | undefined): Promise<Digest> {
    const ingest = await this.#open(ref, entry.size, expected);
    if (ingest === undefined) return expected!;
    try {
      const sha256 = createHash('sha256');
      for await (const chunk of body()) {
        sha256.update(chunk);
        await ingest.write(chunk);
      }
      const hashed: Digest = `sha256:${sha256.digest('hex')}`;
      checkMember(entry, hashed);
      if (this.#lease !== undefined && expected === undefined)
        await this.#content.leases.add(this.#lease, { type: 'content', id: hashed });
      await ingest.commit({ hashed }).catch(async (error: unknown) => {
        if (!isCode(error, 'AlreadyExists')) throw error;
        await ingest.close();
        await this.#content.abort(ref).catch(() => {}); // a failed cleanup leaves an idle ingest, which the next collection removes
      });
      return hashed;
    } catch (error) {
      await ingest.close();
      await this.#content.abort(ref).catch(() => {}); // the first error is the cause
      throw error;
    }
  }

  /** Undefined when the blob is already in the store. */
  async #open(ref: string, size: number, digest: Digest | undefined): Promise<Ingest | undefined> {
    try {
      return await this.#content.openIngest(ref, { size, digest });
    } catch (error) {
      if (isCode(error, 'AlreadyExists')) return undefined;
      throw error;
    }
  }
}

const { O_CREAT, O_EXCL, O_RDWR } = constants;

/** Elsewhere a path leads to a file without a name (`descriptorPath`). */
const NEEDS_NAME = !['linux', 'darwin'].includes(process.platform);

/** Members one after the other in a file without a name, which is gone when it is closed, or the process ends. */
export class ScratchMembers implements MemberStore {
  readonly #directory: string;
  readonly #path: string;
  #file: FileHandle | undefined;
  #size = 0;

  constructor(directory: string) {
    this.#directory = directory;
    this.#path = join(directory, `.overlayer-${randomUUID()}`);
  }

  async keep({ entry, body }: TarEntryReader): Promise<LocalFile> {
    try {
      this.#file ??= await openNameless(this.#path);
      const offset = this.#size;
      const sha256 = createHash('sha256');
      for await (const chunk of body()) {
        sha256.update(chunk);
        await this.#file.write(chunk, 0, chunk.length, this.#size);
        this.#size += chunk.length;
      }
      const digest = `sha256:${sha256.digest('hex')}` as const;
      checkMember(entry, digest);
      return {
        digest,
        bytes: { path: descriptorPath(this.#file.fd, this.#path), offset, length: entry.size },
      };
    } catch (error) {
      if (!(error instanceof Error) || !('syscall' in error)) throw error;
      const failure = asSystemError(error, this.#directory);
      throw fromSystemError(failure, `Cannot keep blobs of the archive in "${this.#directory}"`);
    }
  }

  async close(): Promise<void> {
    if (this.#file === undefined) return;
    await this.#file.close();
    this.#file = undefined;
    if (NEEDS_NAME) await unlink(this.#path);
  }
}

/** Not by O_TMPFILE, which FUSE, NFS and others do not have. */
async function openNameless(path: string): Promise<FileHandle> {
  const file = await open(path, O_CREAT | O_EXCL | O_RDWR, 0o600);
  try {
    if (!NEEDS_NAME) await unlink(path);
  } catch (error) {
    await file.close();
    throw error;
  }
  return file;
}

import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ExactDate } from '../base/exact-date.js';
import { type Digest, parseDigest } from '../oci/digest.js';
import { toOverlayerError } from '../system/errno-code.js';
import { AT_FDCWD, isErrno, S, type System } from '../system/system.js';

interface BlobFile {
  readonly size: number;
  readonly writtenAt: ExactDate;
}

/**
 * `<root>/blobs/sha256`: a file for each blob, named by its digest.
 *
 * Files are published and removed only inside a write transaction of the metadata store. Only one such transaction runs
 * at a time in all processes, so commits, deletions and collections can't interleave.
 */
export class BlobFiles {
  readonly path: string;
  readonly #system: System;

  constructor(system: System, path: string) {
    this.#system = system;
    this.path = path;
  }

  /** @throws OverlayerError `InvalidArgument`: not a digest. Untyped callers can pass any value */
  pathOf(digest: Digest): string {
    return join(this.path, parseDigest(digest).slice('sha256:'.length));
  }

  find(digest: Digest): BlobFile | undefined {
    const path = this.pathOf(digest);
    try {
      const { mode, size, mtimeSec, mtimeNsec } = this.#system.statAt(AT_FDCWD, path);
      const isFile = (mode & S.IFMT) === S.IFREG;
      return isFile ? { size, writtenAt: new ExactDate(mtimeSec, mtimeNsec) } : undefined;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw toOverlayerError(error, `Cannot look for blob ${digest}`);
    }
  }

  /**
   * Makes a blob of the verified and synced file `from`, and replaces an existing one. Call it in a write transaction.
   */
  publish(from: string, digest: Digest): void {
    try {
      this.#system.rename(AT_FDCWD, from, AT_FDCWD, this.pathOf(digest));
    } catch (error) {
      throw toOverlayerError(error, `Cannot make blob ${digest}`);
    }
  }

  /** Deletes a blob's file. Call it in a write transaction. */
  remove(digest: Digest): void {
    try {
      this.#system.unlink(AT_FDCWD, this.pathOf(digest));
    } catch (error) {
      throw toOverlayerError(error, `Cannot delete blob ${digest}`);
    }
  }

  /** All blobs, sorted by digest. */
  async list(): Promise<Digest[]> {
    const names = await readdir(this.path);
    return names
      .filter((name) => /^[0-9a-f]{64}$/.test(name))
      .sort()
      .map((name): Digest => `sha256:${name}`);
  }

  /**
   * Keeps these files open while `use` deletes them. A thread pool closes them afterwards, and only then their space is
   * freed. Inside the transaction that would block the event loop and all other writers.
   */
  async freeLater<T>(digests: readonly Digest[], use: () => Promise<T>): Promise<T> {
    const opened = await Promise.allSettled(digests.map((digest) => open(this.pathOf(digest))));
    try {
      return await use();
    } finally {
      const files = opened.filter(
        (file): file is PromiseFulfilledResult<FileHandle> => file.status === 'fulfilled',
      );
      await Promise.all(files.map(({ value }) => value.close()));
    }
  }
}

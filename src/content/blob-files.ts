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
 * A file gets its name, and loses it, only within a write transaction of the metadata store. There is one such at a
 * time over all processes, so that commits, deletions and collections never come between one another.
 */
export class BlobFiles {
  readonly path: string;
  readonly #system: System;

  constructor(system: System, path: string) {
    this.#system = system;
    this.path = path;
  }

  /** @throws OverlayerError `InvalidArgument` for what is no digest, whatever its type says */
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

  /** In a write transaction: the file `from`, verified and synced, is the blob. Takes the place of one that is there. */
  publish(from: string, digest: Digest): void {
    try {
      this.#system.rename(AT_FDCWD, from, AT_FDCWD, this.pathOf(digest));
    } catch (error) {
      throw toOverlayerError(error, `Cannot make blob ${digest}`);
    }
  }

  /** In a write transaction. */
  remove(digest: Digest): void {
    try {
      this.#system.unlink(AT_FDCWD, this.pathOf(digest));
    } catch (error) {
      throw toOverlayerError(error, `Cannot delete blob ${digest}`);
    }
  }

  /** All that are there, in order. */
  async list(): Promise<Digest[]> {
    const names = await readdir(this.path);
    return names
      .filter((name) => /^[0-9a-f]{64}$/.test(name))
      .sort()
      .map((name): Digest => `sha256:${name}`);
  }

  /**
   * Runs `use`, which takes these files away, while they are open. Their space is freed when they are closed, by
   * another thread: in a transaction it would hold up the event loop and all other writers.
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

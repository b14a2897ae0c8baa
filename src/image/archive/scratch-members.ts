import { createHash, randomUUID } from 'node:crypto';
import { constants, type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fromSystemError } from '../../system/errno-code.js';
import { asSystemError } from '../../system/system.js';
import type { TarEntryReader } from '../../tar/reader.js';
import type { StoredFile } from '../source/stored-file.js';
import { checkMember, type MemberStore } from './ingest-archive.js';

const { O_CREAT, O_EXCL, O_RDWR } = constants;

/** Members one after the other in a file without a name, which is gone when it is closed, or the process ends. */
export class ScratchMembers implements MemberStore {
  readonly #directory: string;
  #file: FileHandle | undefined;
  #size = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async keep({ entry, body }: TarEntryReader): Promise<StoredFile> {
    try {
      this.#file ??= await openNameless(this.#directory);
      const offset = this.#size;
      const sha256 = createHash('sha256');
      for await (const chunk of body()) {
        sha256.update(chunk);
        await this.#file.write(chunk, 0, chunk.length, this.#size);
        this.#size += chunk.length;
      }
      const digest = `sha256:${sha256.digest('hex')}` as const;
      checkMember(entry, digest);
      return { digest, bytes: { path: `/proc/self/fd/${this.#file.fd}`, offset, length: entry.size } };
    } catch (error) {
      if (!(error instanceof Error) || !('syscall' in error)) throw error;
      const failure = asSystemError(error, this.#directory);
      throw fromSystemError(failure, `Cannot keep blobs of the archive in "${this.#directory}"`);
    }
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }
}

/** Not by O_TMPFILE, which FUSE, NFS and others do not have. */
async function openNameless(directory: string): Promise<FileHandle> {
  const path = join(directory, `.overlayer-${randomUUID()}`);
  const file = await open(path, O_CREAT | O_EXCL | O_RDWR, 0o600);
  try {
    await unlink(path);
  } catch (error) {
    await file.close();
    throw error;
  }
  return file;
}

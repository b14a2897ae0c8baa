import { createHash, randomUUID } from 'node:crypto';
import { constants, type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { descriptorPath } from '../../base/descriptor-path.js';
import { fromSystemError } from '../../system/errno-code.js';
import { asSystemError } from '../../system/system.js';
import type { TarEntryReader } from '../../tar/reader.js';
import type { StoredFile } from '../source/stored-file.js';
import { checkMember, type MemberStore } from './ingest-archive.js';

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

  async keep({ entry, body }: TarEntryReader): Promise<StoredFile> {
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

import { constants } from 'node:fs';
import { chmod, type FileHandle, open, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { closeQuietly } from '../rootfs/directory.js';
import { isErrno, type System } from '../system/system.js';

const READ_WRITE = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;

/** The directory of an ingest, while nobody else has it. Ends with `release`. */
export class LockedIngest {
  readonly path: string;
  readonly #system: System;
  readonly #lock: number;

  constructor(system: System, path: string, lock: number) {
    this.#system = system;
    this.path = path;
    this.#lock = lock;
  }

  get name(): string {
    return basename(this.path);
  }

  get data(): string {
    return join(this.path, 'data');
  }

  /** Notes what `IngestDirectories.read` gives back. */
  async note(what: 'ref' | 'total', text: string): Promise<void> {
    const file = await open(join(this.path, what), 'w', 0o600);
    try {
      await file.writeFile(text);
      this.stamp(file);
    } finally {
      await file.close();
    }
  }

  /** The file was written now: the time that the kernel gives it may be some milliseconds older than the write. */
  stamp({ fd }: FileHandle): void {
    const { sec, nsec } = this.#system.clock();
    try {
      this.#system.setTimes(fd, { atimeSec: sec, atimeNsec: nsec, mtimeSec: sec, mtimeNsec: nsec });
    } catch (error) {
      // A file system that takes no times (FUSE) has those of its own.
      if (!isErrno(error, 'EPERM', 'ENOSYS', 'EOPNOTSUPP')) throw error;
    }
  }

  async open(): Promise<FileHandle> {
    try {
      return await open(this.data, READ_WRITE, 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
      // It had the mode of a blob when a crash cut its commit short.
      await chmod(this.data, 0o600);
      return await open(this.data, READ_WRITE, 0o600);
    }
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }

  release(): void {
    closeQuietly(this.#system, this.#lock);
  }
}

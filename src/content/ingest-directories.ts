import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, type FileHandle, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { OverlayerError } from '../base/errors.js';
import { ExactDate } from '../base/exact-date.js';
import { closeQuietly } from '../rootfs/directory.js';
import { lockDirectory, makeLockedDirectory } from '../rootfs/lock-directory.js';
import { bootID } from '../system/boot-id.js';
import { AT_FDCWD, isErrno, type System } from '../system/system.js';
import type { IngestInfo } from './content-store.js';

const NS_PER_SECOND = 1_000_000_000n;
const READ_WRITE = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;

/** The state of a directory. A crash can leave one without a ref. A caller that opens its ref continues it. */
export interface FoundIngest extends Omit<IngestInfo, 'ref'> {
  readonly ref: string | undefined;
}

/**
 * `<root>/ingest`: a directory for each ingest, named by the sha256 of its ref. A process that writes to an ingest or
 * removes it holds a lock (flock) on the directory. The lock ends with the process.
 */
export class IngestDirectories {
  readonly path: string;
  readonly #system: System;

  constructor(system: System, path: string) {
    this.#system = system;
    this.path = path;
  }

  /** Locks the ingest of a ref, and makes it if it does not exist. @throws OverlayerError `Unavailable` */
  take(ref: string): LockedIngest {
    const path = join(this.path, nameOf(ref));
    const lock = makeLockedDirectory(this.#system, AT_FDCWD, path);
    if (lock === 'held') throw inUse(ref);
    return new LockedIngest(this.#system, path, lock);
  }

  /** Locks the ingest of a ref. @throws OverlayerError `NotFound`, `Unavailable` */
  find(ref: string): LockedIngest {
    const locked = this.#lock(join(this.path, nameOf(ref)));
    if (locked === 'held') throw inUse(ref);
    if (locked === 'gone') throw ingestNotFound(ref);
    return locked;
  }

  /** Reads the ingest of a ref. It may be locked. */
  look(ref: string): Promise<FoundIngest | undefined> {
    return this.read(nameOf(ref));
  }

  /** Locks the directory with this name. @returns undefined when it is locked or gone */
  tryLock(name: string): LockedIngest | undefined {
    const locked = this.#lock(join(this.path, name));
    return typeof locked === 'string' ? undefined : locked;
  }

  /** The names of all directories. */
  async list(): Promise<string[]> {
    return (await readdir(this.path)).filter((name) => /^[0-9a-f]{64}$/.test(name));
  }

  /** Reads the ingest in the directory with this name. @returns undefined when it is gone */
  async read(name: string): Promise<FoundIngest | undefined> {
    const path = join(this.path, name);
    const at = (file: string) => join(path, file);
    const directory = await orUndefined(stat(path, { bigint: true }));
    if (directory === undefined) return undefined;
    const [ref, begun, data, size, flushed] = await Promise.all([
      orUndefined(readFile(at('ref'), 'utf8')),
      orUndefined(stat(at('ref'), { bigint: true })),
      orUndefined(stat(at('data'), { bigint: true })),
      orUndefined(readFile(at('total'), 'utf8')),
      orUndefined(readFile(at('flushed'), 'utf8')),
    ]);
    const { mtimeNs: startedAt } = begun ?? directory;
    return {
      ref: ref !== undefined && nameOf(ref) === name ? ref : undefined,
      offset: Math.min(Number(data?.size ?? 0), safeLength(flushed)),
      size: size !== undefined && /^\d+$/.test(size) ? Number(size) : undefined,
      startedAt: toDate(startedAt),
      updatedAt: toDate(data?.mtimeNs ?? startedAt),
    };
  }

  #lock(path: string): LockedIngest | 'held' | 'gone' {
    const lock = lockDirectory(this.#system, AT_FDCWD, path);
    return typeof lock === 'string' ? lock : new LockedIngest(this.#system, path, lock);
  }
}

/** The locked directory of an ingest. `release` ends the lock. */
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

  /** Notes how many bytes of the data have been flushed. */
  async noteFlushed(bytes: number): Promise<void> {
    await this.note('flushed', `${bootID()} ${bytes}`);
  }

  /** Writes a file that `IngestDirectories.read` reads. */
  async note(what: 'ref' | 'total' | 'flushed', text: string): Promise<void> {
    const file = await open(join(this.path, what), 'w', 0o600);
    try {
      await file.writeFile(text);
      this.stamp(file);
    } finally {
      await file.close();
    }
  }

  /** Sets the times of a file to now. The kernel's own time of a write may be some milliseconds too old. */
  stamp({ fd }: FileHandle): void {
    const { sec, nsec } = this.#system.clock();
    try {
      this.#system.setTimes(fd, { atimeSec: sec, atimeNsec: nsec, mtimeSec: sec, mtimeNsec: nsec });
    } catch (error) {
      // Some file systems (FUSE) refuse explicit times and keep their own.
      if (!isErrno(error, 'EPERM', 'ENOSYS', 'EOPNOTSUPP')) throw error;
    }
  }

  async open(): Promise<FileHandle> {
    try {
      return await open(this.data, READ_WRITE, 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
      // A crash during the commit left the read-only mode of a blob.
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

/**
 * How many bytes survived the last start of the machine. A power cut may leave the file with its length and without its
 * bytes.
 *
 * @param flushed the text of `noteFlushed`; a damaged one, or none, says nothing
 */
function safeLength(flushed: string | undefined): number {
  const [, boot, bytes] = /^([\w-]+) (\d{1,15})$/.exec(flushed ?? '') ?? [];
  return boot === undefined || boot === bootID() ? Number.POSITIVE_INFINITY : Number(bytes);
}

function nameOf(ref: string): string {
  return createHash('sha256').update(ref).digest('hex');
}

export function ingestNotFound(ref: string): OverlayerError {
  return new OverlayerError('NotFound', `Ingest "${ref}" does not exist`);
}

function inUse(ref: string): OverlayerError {
  return new OverlayerError('Unavailable', `Ingest "${ref}" is in use`, {
    hint: 'another writer has it open: try again later',
  });
}

function toDate(nanoseconds: bigint): ExactDate {
  return new ExactDate(Number(nanoseconds / NS_PER_SECOND), Number(nanoseconds % NS_PER_SECOND));
}

async function orUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { OverlayerError } from '../base/errors.js';
import { ExactDate } from '../base/exact-date.js';
import { lockDirectory, makeLockedDirectory } from '../rootfs/lock-directory.js';
import { AT_FDCWD, type System } from '../system/system.js';
import type { IngestInfo } from './content-store.js';
import { LockedIngest } from './locked-ingest.js';

const NS_PER_SECOND = 1_000_000_000n;

/** What is in a directory. One without a ref is of a crash, and is found again by whoever knows the ref. */
export interface FoundIngest extends Omit<IngestInfo, 'ref'> {
  readonly ref: string | undefined;
}

/**
 * `<root>/ingest`: a directory for each ingest, named by the sha256 of its ref. Whoever writes to an ingest or removes it
 * holds a lock (flock) on its directory, which ends with the process.
 */
export class IngestDirectories {
  readonly path: string;
  readonly #system: System;

  constructor(system: System, path: string) {
    this.#system = system;
    this.path = path;
  }

  /** The ingest of a ref, which is made if need be. @throws OverlayerError `Unavailable` */
  take(ref: string): LockedIngest {
    const path = join(this.path, nameOf(ref));
    const lock = makeLockedDirectory(this.#system, AT_FDCWD, path);
    if (lock === 'held') throw inUse(ref);
    return new LockedIngest(this.#system, path, lock);
  }

  /** @throws OverlayerError `NotFound`, `Unavailable` */
  find(ref: string): LockedIngest {
    const locked = this.#lock(join(this.path, nameOf(ref)));
    if (locked === 'held') throw inUse(ref);
    if (locked === 'gone') throw ingestNotFound(ref);
    return locked;
  }

  /** What is there of a ref, whoever holds it. */
  look(ref: string): Promise<FoundIngest | undefined> {
    return this.read(nameOf(ref));
  }

  /** One that nobody holds and that is still there. */
  tryLock(name: string): LockedIngest | undefined {
    const locked = this.#lock(join(this.path, name));
    return typeof locked === 'string' ? undefined : locked;
  }

  /** The names of all directories. */
  async list(): Promise<string[]> {
    return (await readdir(this.path)).filter((name) => /^[0-9a-f]{64}$/.test(name));
  }

  /** Its times are those of its files. @returns undefined when it is gone */
  async read(name: string): Promise<FoundIngest | undefined> {
    const path = join(this.path, name);
    const at = (file: string) => join(path, file);
    const directory = await orUndefined(stat(path, { bigint: true }));
    if (directory === undefined) return undefined;
    const [ref, begun, data, size] = await Promise.all([
      orUndefined(readFile(at('ref'), 'utf8')),
      orUndefined(stat(at('ref'), { bigint: true })),
      orUndefined(stat(at('data'), { bigint: true })),
      orUndefined(readFile(at('total'), 'utf8')),
    ]);
    const { mtimeNs: startedAt } = begun ?? directory;
    return {
      ref: ref !== undefined && nameOf(ref) === name ? ref : undefined,
      offset: Number(data?.size ?? 0),
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

function nameOf(ref: string): string {
  return createHash('sha256').update(ref).digest('hex');
}

export function ingestNotFound(ref: string): OverlayerError {
  return new OverlayerError('NotFound', `Ingest "${ref}" does not exist`);
}

function inUse(ref: string): OverlayerError {
  return new OverlayerError('Unavailable', `Ingest "${ref}" is in use`, {
    hint: 'somebody else is writing to it: try again later',
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

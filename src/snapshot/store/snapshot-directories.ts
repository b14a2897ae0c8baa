import { createHash, randomBytes } from 'node:crypto';
import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { AbortableOptions } from '../../base/abort.js';
import { OverlayerError } from '../../base/errors.js';
import { closeQuietly, OPEN_DIRECTORY } from '../../rootfs/directory.js';
import { lockDirectory, makeLockedDirectory } from '../../rootfs/lock-directory.js';
import { removeTree } from '../../rootfs/trees/remove-tree.js';
import { waitForLock } from '../../rootfs/wait-for-lock.js';
import { fromSystemError } from '../../system/errno-code.js';
import { syncDirectory } from '../../system/sync-directory.js';
import { AT_FDCWD, isErrno, type System, SystemError } from '../../system/system.js';
import { treeThreads } from '../trees/tree-threads.js';

/** An attempt fails only when another process's cleanup locks the new directory within microseconds. */
const ATTEMPTS = 16;
/** More than the directory of a committed snapshot of the backend `erofs` has. */
const FEW_FILES = 8;
/** The kernel frees this many cached bytes in about 1 ms. */
const SMALL_BYTES = 8 * 1024 * 1024;

/** The meaning of a name below `snapshots/`. */
type DirectoryKind =
  /** A snapshot's directory, named by its id. It is an orphan if no record has that id. */
  | 'snapshot'
  /** Being made (`new-…`). The process that makes it holds its lock. */
  | 'staged'
  /** Being removed (`rm-…`). */
  | 'removed'
  /** The lock of a name (`lock-…`). It stays when its holder dies. */
  | 'lock'
  /** Not made by overlayer. */
  | 'foreign';

/**
 * `<root>/snapshots`: a directory for each snapshot, named by its id.
 *
 * The metadata say which snapshots exist. A directory is therefore made before its record, and removed after it. A process
 * that works on a directory without a record holds its lock (flock), which ends with the process. A free lock tells
 * `cleanup` that the process has died.
 */
export class SnapshotDirectories {
  readonly path: string;
  readonly #system: System;
  readonly #descriptor: number;
  readonly #spare: SpareDescriptors;

  constructor(system: System, path: string) {
    this.#system = system;
    this.path = path;
    this.#descriptor = asOverlayerError(`Cannot open "${path}"`, () =>
      system.openAt(AT_FDCWD, path, OPEN_DIRECTORY, 0),
    );
    this.#spare = new SpareDescriptors(system, this.#descriptor);
  }

  pathOf(id: number): string {
    return join(this.path, String(id));
  }

  /** Makes an empty directory with mode 0700, and takes its lock. */
  stage(): StagedDirectory {
    return asOverlayerError(`Cannot make a directory in "${this.path}"`, () => {
      for (let attempt = 1; ; attempt++) {
        const name = `new-${randomBytes(6).toString('hex')}`;
        this.#system.makeDirectory(this.#descriptor, name, 0o700);
        const lock = this.#lockNew(name);
        if (lock !== undefined) return new StagedDirectory(this.#system, this, this.#descriptor, name, lock);
        if (attempt === ATTEMPTS)
          throw new OverlayerError('Unavailable', `Cleanups of "${this.path}" leave no time to work`);
      }
    });
  }

  /** @returns a descriptor that holds the lock; undefined when it is held, or the directory is gone */
  lock(name: string): number | undefined {
    const lock = lockDirectory(this.#system, this.#descriptor, name, join(this.path, name));
    return typeof lock === 'number' ? lock : undefined;
  }

  /** Locks a directory that no other process knows. It is removed when that fails. */
  #lockNew(name: string): number | undefined {
    try {
      return this.lock(name);
    } catch (error) {
      this.#system.removeDirectory(this.#descriptor, name);
      throw error;
    }
  }

  unlock(descriptor: number): void {
    closeQuietly(this.#system, descriptor);
  }

  /** Waits for the lock of a snapshot's directory, and holds it while `use` runs. It is not reentrant. */
  async hold<T>(id: number, use: () => Promise<T>, { signal }: AbortableOptions = {}): Promise<T> {
    const path = this.pathOf(id);
    // `use` finds out when the directory is gone.
    const take = () => this.lock(String(id)) ?? (existsSync(path) ? undefined : 'gone');
    const lock = await waitForLock(take, { path, signal });
    try {
      return await use();
    } finally {
      if (lock !== 'gone') this.unlock(lock);
    }
  }

  /** The path of the directory that is the lock of a name. */
  nameLockOf(name: string): string {
    return join(this.path, `lock-${createHash('sha256').update(name).digest('hex')}`);
  }

  /**
   * Takes the lock of a name, which is a directory made for it.
   *
   * @returns a function that releases it; undefined when it is held
   */
  takeNameLock(name: string): (() => void) | undefined {
    const path = this.nameLockOf(name);
    const directory = basename(path);
    const lock = makeLockedDirectory(this.#system, this.#descriptor, directory, path);
    if (lock === 'held') return undefined;
    return () =>
      asOverlayerError(`Cannot release the lock of "${name}"`, () => {
        try {
          // This precedes the unlock: a process that has the directory open then sees that it is gone, and makes a new one.
          this.#system.removeDirectory(this.#descriptor, directory);
        } finally {
          this.unlock(lock);
        }
      });
  }

  /** All names in the directory, and their kinds. */
  list(): { readonly name: string; readonly kind: DirectoryKind }[] {
    return this.#system.list(this.#descriptor).map(({ name }) => ({ name, kind: kindOf(name) }));
  }

  /** Renames the directory to `rm-…`, and removes that. A crash in between leaves it to `cleanup`. */
  async remove(name: string, { signal }: AbortableOptions = {}): Promise<void> {
    const removed = this.#setAside(name);
    if (removed === undefined) return;
    if (this.#isSmall(removed)) {
      asOverlayerError(`Cannot remove "${join(this.path, removed)}"`, () => this.#removeHere(removed));
      return;
    }
    try {
      await treeThreads.run({ type: 'remove', parent: this.path, names: [removed] }, signal);
    } catch (error) {
      signal?.throwIfAborted();
      // A thread needs descriptors and memory. After a failure the process may have none left.
      if (OverlayerError.is(error) && !['Internal', 'ResourceExhausted'].includes(error.code)) throw error;
      asOverlayerError(`Cannot remove "${join(this.path, removed)}"`, () => this.#removeHere(removed));
    }
  }

  /** Whether a thread takes longer than the removal: 40 ms, if it has to start. */
  #isSmall(name: string): boolean {
    const directory = join(this.path, name);
    try {
      const names = readdirSync(directory);
      return names.length <= FEW_FILES && names.every((entry) => isSmallFile(join(directory, entry)));
    } catch {
      return false; // the thread says why
    }
  }

  #removeHere(name: string): void {
    this.#spare.free();
    try {
      removeTree(this.#system, this.#descriptor, name);
    } finally {
      this.#spare.keep();
    }
  }

  /** @returns the new name; undefined when there is no such directory */
  #setAside(name: string): string | undefined {
    if (name.startsWith('rm-')) return name;
    const removed = `rm-${name}-${randomBytes(3).toString('hex')}`;
    try {
      this.#system.renameNew(this.#descriptor, name, this.#descriptor, removed);
      return removed;
    } catch (error) {
      // A directory that can't be renamed is removed under its own name.
      return isErrno(error, 'ENOENT') ? undefined : name;
    }
  }

  close(): void {
    this.#spare.free();
    closeQuietly(this.#system, this.#descriptor);
  }
}

/** Two descriptors kept in reserve. A removal needs them when the process has run out of descriptors. */
class SpareDescriptors {
  readonly #system: System;
  readonly #directory: number;
  readonly #kept: number[] = [];

  constructor(system: System, directory: number) {
    this.#system = system;
    this.#directory = directory;
    this.keep();
  }

  /** Opens as many as the process still gets. */
  keep(): void {
    try {
      while (this.#kept.length < 2)
        this.#kept.push(this.#system.openAt(this.#directory, '.', OPEN_DIRECTORY, 0));
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
    }
  }

  free(): void {
    for (const descriptor of this.#kept.splice(0)) closeQuietly(this.#system, descriptor);
  }
}

/** The directory of a snapshot that is being made. Call `publish` or `discard`, then `release`. */
export class StagedDirectory {
  readonly #system: System;
  readonly #directories: SnapshotDirectories;
  readonly #parent: number;
  readonly #lock: number;
  #name: string;

  constructor(system: System, directories: SnapshotDirectories, parent: number, name: string, lock: number) {
    this.#system = system;
    this.#directories = directories;
    this.#parent = parent;
    this.#name = name;
    this.#lock = lock;
  }

  get path(): string {
    return join(this.#directories.path, this.#name);
  }

  /** Renames the directory to its id, and syncs that. A later record never names a directory that a power cut has undone. */
  async publish(id: number): Promise<void> {
    asOverlayerError(`Cannot make the directory of snapshot ${id}`, () =>
      this.#system.renameNew(this.#parent, this.#name, this.#parent, String(id)),
    );
    this.#name = String(id);
    await syncDirectory(this.#directories.path);
  }

  async discard(): Promise<void> {
    await this.#directories.remove(this.#name);
  }

  release(): void {
    closeQuietly(this.#system, this.#lock);
  }
}

/** The removal of one of several names is as fast as that of a small file. */
function isSmallFile(path: string): boolean {
  const stat = lstatSync(path);
  return stat.isFile() && (stat.nlink > 1 || stat.size <= SMALL_BYTES);
}

function kindOf(name: string): DirectoryKind {
  if (/^[1-9]\d*$/.test(name)) return 'snapshot';
  if (name.startsWith('new-')) return 'staged';
  if (name.startsWith('rm-')) return 'removed';
  return name.startsWith('lock-') ? 'lock' : 'foreign';
}

function asOverlayerError<T>(subject: string, use: () => T): T {
  try {
    return use();
  } catch (error) {
    throw error instanceof SystemError ? fromSystemError(error, subject) : error;
  }
}

import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { AbortableOptions } from '../../base/abort.js';
import { OverlayerError } from '../../base/errors.js';
import { closeQuietly, OPEN_DIRECTORY } from '../../rootfs/directory.js';
import { lockDirectory, makeLockedDirectory } from '../../rootfs/lock-directory.js';
import { removeTree } from '../../rootfs/trees/remove-tree.js';
import { fromSystemError } from '../../system/errno-code.js';
import { syncDirectory } from '../../system/sync-directory.js';
import { AT_FDCWD, isErrno, type System, SystemError } from '../../system/system.js';
import { treeThreads } from '../trees/tree-threads.js';

/** Each attempt fails only when another process's cleanup takes the new directory within microseconds. */
const ATTEMPTS = 16;
/** Between two looks at whether a lock is free. */
export const PAUSE_MS = 20;

/** What a name below `snapshots/` says. */
export type DirectoryKind =
  /** A snapshot's, named by its id: whole, unless no record has that id. */
  | 'snapshot'
  /** Being made (`new-…`), by a process that holds its lock. */
  | 'staged'
  /** Being removed (`rm-…`). */
  | 'removed'
  /** Nothing but a lock (`lock-…`): of whoever holds it, or died with it. */
  | 'lock'
  /** Not ours. */
  | 'foreign';

/**
 * `<root>/snapshots`: a directory for each snapshot, named by its id.
 *
 * Metadata says what exists, so a directory comes before its record and goes after it. Whoever is at work on one
 * without a record holds a lock (flock) on it, which ends with the process: that is how `cleanup` knows what a dead
 * one has left.
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

  /** A new, empty and locked directory, which only its owner can look into. */
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

  /** A descriptor that holds the lock; undefined when another has it, or the directory is gone. */
  lock(name: string): number | undefined {
    const lock = lockDirectory(this.#system, this.#descriptor, name, join(this.path, name));
    return typeof lock === 'number' ? lock : undefined;
  }

  /** Of a directory that nobody else knows of: without its lock it goes. */
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

  /** Runs `use` when nobody else is at work on a snapshot; not for those who are themselves. */
  async hold<T>(id: number, use: () => Promise<T>, { signal }: AbortableOptions = {}): Promise<T> {
    let lock = this.lock(String(id));
    // Where it is gone, `use` finds that out.
    for (; lock === undefined && existsSync(this.pathOf(id)); lock = this.lock(String(id))) {
      signal?.throwIfAborted();
      await setTimeout(PAUSE_MS, undefined, { signal }).catch(() => {});
    }
    try {
      return await use();
    } finally {
      if (lock !== undefined) this.unlock(lock);
    }
  }

  /**
   * Takes the lock of a name that has no directory of its own. @returns undefined when another has it; else what
   * gives it back
   */
  takeNameLock(name: string): (() => void) | undefined {
    const directory = `lock-${createHash('sha256').update(name).digest('hex')}`;
    const lock = makeLockedDirectory(this.#system, this.#descriptor, directory, join(this.path, directory));
    if (lock === 'held') return undefined;
    return () =>
      asOverlayerError(`Cannot give back the lock of "${name}"`, () => {
        try {
          // First: whoever has it open meanwhile sees that it is gone, and makes a new one.
          this.#system.removeDirectory(this.#descriptor, directory);
        } finally {
          this.unlock(lock);
        }
      });
  }

  /** Names of all that is there, with what they say. */
  list(): { readonly name: string; readonly kind: DirectoryKind }[] {
    return this.#system.list(this.#descriptor).map(({ name }) => ({ name, kind: kindOf(name) }));
  }

  /** Out of the way at once, then bit by bit. A crash in between leaves an `rm-…` for `cleanup`. */
  async remove(name: string, { signal }: AbortableOptions = {}): Promise<void> {
    const removed = this.#setAside(name);
    if (removed === undefined) return;
    try {
      await treeThreads.run({ type: 'remove', parent: this.path, name: removed }, signal);
    } catch (error) {
      signal?.throwIfAborted();
      // A thread takes descriptors and memory, of which a process that has something to undo may have none left.
      if (OverlayerError.is(error) && !['Internal', 'ResourceExhausted'].includes(error.code)) throw error;
      asOverlayerError(`Cannot remove "${join(this.path, removed)}"`, () => this.#removeHere(removed));
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

  /** @returns the name that it has then; undefined when it is not there */
  #setAside(name: string): string | undefined {
    if (name.startsWith('rm-')) return name;
    const removed = `rm-${name}-${randomBytes(3).toString('hex')}`;
    try {
      this.#system.renameNew(this.#descriptor, name, this.#descriptor, removed);
      return removed;
    } catch (error) {
      // What can't be renamed goes where it is.
      return isErrno(error, 'ENOENT') ? undefined : name;
    }
  }

  close(): void {
    this.#spare.free();
    closeQuietly(this.#system, this.#descriptor);
  }
}

/** Descriptors that are kept to undo what has failed for want of them: those of a directory, and of one in it. */
class SpareDescriptors {
  readonly #system: System;
  readonly #directory: number;
  readonly #kept: number[] = [];

  constructor(system: System, directory: number) {
    this.#system = system;
    this.#directory = directory;
    this.keep();
  }

  /** As far as there are any. */
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

/** A directory on its way to be a snapshot's. Ends with `release`, after `discard` when it did not become one. */
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

  /** Gives it its lasting name, on disk: a record that follows never names a directory that a power cut undid. */
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

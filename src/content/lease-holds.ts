import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { OverlayerError } from '../base/errors.js';
import { closeQuietly } from '../rootfs/directory.js';
import { lockDirectory, makeLockedDirectory } from '../rootfs/lock-directory.js';
import { toOverlayerError } from '../system/errno-code.js';
import { AT_FDCWD, isErrno, type System } from '../system/system.js';

/**
 * `<root>/leases` has a directory for each lease that is tied to a process, named by the sha256 of the lease's id. The
 * process holds a lock (flock) on it. The kernel drops the lock when the process ends, also when it is killed.
 */
export class LeaseHolds {
  readonly #system: System;
  readonly #path: string;
  readonly #held = new Map<string, number>();

  constructor(system: System, path: string) {
    this.#system = system;
    this.#path = path;
  }

  /** @throws OverlayerError `AlreadyExists`: a running process holds a lease with this id */
  take(id: string): void {
    const lock = makeLockedDirectory(this.#system, AT_FDCWD, this.#pathOf(id));
    if (lock === 'held') throw new OverlayerError('AlreadyExists', `Lease "${id}" already exists`);
    this.#held.set(id, lock);
  }

  /** Ends the hold of a deleted lease. Any process may have taken it. */
  end(id: string): void {
    const lock = this.#held.get(id);
    this.#held.delete(id);
    try {
      this.#removeDirectory(this.#pathOf(id));
    } finally {
      if (lock !== undefined) closeQuietly(this.#system, lock);
    }
  }

  /** Whether the process that took the lease is running. */
  isHeld(id: string): boolean {
    const lock = lockDirectory(this.#system, AT_FDCWD, this.#pathOf(id));
    if (typeof lock === 'number') closeQuietly(this.#system, lock);
    return lock === 'held';
  }

  /** Removes the directories of processes that have ended. */
  async removeLeft(): Promise<void> {
    for (const name of await readdir(this.#path)) {
      const path = join(this.#path, name);
      const lock = lockDirectory(this.#system, AT_FDCWD, path);
      if (typeof lock !== 'number') continue;
      try {
        this.#removeDirectory(path);
      } finally {
        closeQuietly(this.#system, lock);
      }
    }
  }

  #removeDirectory(path: string): void {
    try {
      this.#system.removeDirectory(AT_FDCWD, path);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return;
      throw toOverlayerError(error, `Cannot remove the directory of a lease: "${path}"`);
    }
  }

  #pathOf(id: string): string {
    return join(this.#path, createHash('sha256').update(id).digest('hex'));
  }
}

import { isErrno, type System, SystemError } from '../../system/system.js';
import { closeQuietly, OPEN_DIRECTORY, statId } from '../directory.js';

/** Few trees are deeper. A process with a limit of 100 open files (`ulimit -n`) can have two descents. */
const MOST_OPEN = 16;
const CLOSED = -1;

interface Level {
  descriptor: number;
  /** `statId` of a closed directory. */
  id: string;
}

/**
 * The directories from a root to the current position of a walk. A tree may be deeper than the limit of open files, so only
 * the lowest directories are open. The others are opened again through `..`, and must have the same identity.
 */
export class Descent implements Disposable {
  readonly #system: System;
  readonly #levels: Level[];

  /** @param root an open directory, which the caller closes */
  constructor(system: System, root: number) {
    this.#system = system;
    this.#levels = [{ descriptor: root, id: '' }];
  }

  /** The current directory, open until the next call. */
  get directory(): number {
    return this.#levels.at(-1)!.descriptor;
  }

  /** Enters a child directory. @throws SystemError, and stays in the current directory */
  enter(name: string): void {
    const descriptor = this.#open(name);
    const idle = this.#levels.length - MOST_OPEN;
    this.#levels.push({ descriptor, id: '' });
    if (idle > 0) this.#close(this.#levels[idle]!);
  }

  /** Goes to the parent. @throws SystemError `EAGAIN`: the directory was moved meanwhile; stays in the current directory */
  leave(): void {
    const parent = this.#levels.at(-2)!;
    if (parent.descriptor === CLOSED) this.#reopen(parent);
    this.#system.close(this.#levels.pop()!.descriptor);
  }

  [Symbol.dispose](): void {
    for (const { descriptor } of this.#levels.slice(1))
      if (descriptor !== CLOSED) closeQuietly(this.#system, descriptor);
  }

  #reopen(level: Level): void {
    const descriptor = this.#open('..');
    if (statId(this.#system.stat(descriptor)) !== level.id) {
      closeQuietly(this.#system, descriptor);
      throw new SystemError('EAGAIN', 'openat', '..');
    }
    level.descriptor = descriptor;
  }

  /** Closes the descriptors of this descent first when none are free. A cleanup after EMFILE needs this. */
  #open(name: string): number {
    try {
      return this.#system.openAt(this.directory, name, OPEN_DIRECTORY, 0);
    } catch (error) {
      if (!isErrno(error, 'EMFILE', 'ENFILE')) throw error;
      for (const level of this.#levels.slice(1, -1)) this.#close(level);
      return this.#system.openAt(this.directory, name, OPEN_DIRECTORY, 0);
    }
  }

  #close(level: Level): void {
    const { descriptor } = level;
    if (descriptor === CLOSED) return;
    level.id = statId(this.#system.stat(descriptor));
    level.descriptor = CLOSED;
    this.#system.close(descriptor);
  }
}

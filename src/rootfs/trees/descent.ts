import { isErrno, type System, SystemError } from '../../system/system.js';
import { closeQuietly, OPEN_DIRECTORY, statId } from '../directory.js';

/** Few trees are deeper, and a process that may open 100 files (`ulimit -n`) has room for two descents. */
const MOST_OPEN = 16;
const CLOSED = -1;

interface Level {
  descriptor: number;
  /** `statId`, of one that was closed. */
  id: string;
}

/**
 * The directories from a root down to where a walk is. A tree may be deeper than a process may open files: of a long
 * way only the lowest directories are open. The others are opened again through `..`, and have to be what they were.
 */
export class Descent implements Disposable {
  readonly #system: System;
  readonly #levels: Level[];

  /** @param root an open directory, which stays the caller's */
  constructor(system: System, root: number) {
    this.#system = system;
    this.#levels = [{ descriptor: root, id: '' }];
  }

  /** The lowest one, open until the next call. */
  get directory(): number {
    return this.#levels.at(-1)!.descriptor;
  }

  /** Opens a directory in it, and goes there. @throws SystemError, and stays where it is */
  enter(name: string): void {
    const descriptor = this.#open(name);
    const idle = this.#levels.length - MOST_OPEN;
    this.#levels.push({ descriptor, id: '' });
    if (idle > 0) this.#close(this.#levels[idle]!);
  }

  /** Goes up. @throws SystemError `EAGAIN`: the directory was moved meanwhile; and stays where it is */
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

  /** Where a process has no descriptor left, as after what is to be undone for that, it does with those of this way. */
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

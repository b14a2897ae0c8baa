import { randomBytes } from 'node:crypto';
import type { Stat, System } from '../../system/system.js';
import { closeQuietly, isDirectory, OPEN_DIRECTORY, statId } from '../directory.js';
import { copyAttributes, copyUp } from './copy-up.js';
import { Descent } from './descent.js';
import { removeTree } from './remove-tree.js';
import { type WalkedEntry, walkTree } from './walk-tree.js';

/**
 * Fills the empty directory `to` with a copy of `from`, however deep: contents (shared blocks where the file system
 * can), holes, hard links, devices, owners, modes, extended attributes and times, also those of the directory itself.
 * Skips what is mounted below `from`.
 */
export function copyTree(system: System, from: number, to: number): void {
  copyEntries(system, from, to);
  copyDirectory(system, from, to, system.stat(from));
}

function copyEntries(system: System, from: number, to: number): void {
  using place = new Descent(system, to);
  using links = new LinkedCopies(system, to);
  const enter = ({ path, parent, name, stat }: WalkedEntry): boolean => {
    if (path === '') return true;
    if (stat.isMountRoot) return false;
    if (isDirectory(stat)) {
      system.makeDirectory(place.directory, name, 0o700);
      place.enter(name);
      return true;
    }
    const copy = () => copyUp(system, parent, place.directory, name, stat);
    if (stat.nlink < 2) copy();
    else links.place(stat, place.directory, name, copy);
    return false;
  };
  const left = (directory: number, stat: Stat) => {
    copyDirectory(system, directory, place.directory, stat);
    place.leave();
  };
  walkTree(system, from, enter, { left });
}

/** Call it after all children: each new child changes the directory's times. */
function copyDirectory(system: System, from: number, to: number, stat: Stat): void {
  copyAttributes(system, from, to, stat);
  system.setTimes(to, stat);
}

/**
 * Copies of files with several hard links. Each copy also has a name in a temporary directory, to which further names are
 * linked. In a deep tree a path from the root could exceed the kernel's limit, and would be slow to resolve.
 */
class LinkedCopies implements Disposable {
  readonly #system: System;
  readonly #root: number;
  readonly #name = `.links-${randomBytes(6).toString('hex')}`;
  readonly #copied = new Set<string>();
  #directory: number | undefined;

  /** @param root the copy, in which the temporary directory is made when needed and removed at the end */
  constructor(system: System, root: number) {
    this.#system = system;
    this.#root = root;
  }

  /** @param copy makes `name` in the open directory `to`; called for the first name of a file */
  place(original: Stat, to: number, name: string, copy: () => void): void {
    this.#directory ??= this.#open();
    const id = statId(original);
    if (this.#copied.has(id)) {
      this.#system.link(this.#directory, id, to, name);
      return;
    }
    copy();
    this.#system.link(to, name, this.#directory, id);
    this.#copied.add(id);
  }

  [Symbol.dispose](): void {
    if (this.#directory === undefined) return;
    closeQuietly(this.#system, this.#directory);
    removeTree(this.#system, this.#root, this.#name);
  }

  #open(): number {
    this.#system.makeDirectory(this.#root, this.#name, 0o700);
    return this.#system.openAt(this.#root, this.#name, OPEN_DIRECTORY, 0);
  }
}

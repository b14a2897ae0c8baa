import { randomBytes } from 'node:crypto';
import type { Stat, System } from '../../system/system.js';
import { closeQuietly, isDirectory, OPEN_DIRECTORY, statId } from '../directory.js';
import { copyAttributes, copyUp } from './copy-up.js';
import { Descent } from './descent.js';
import { removeTree } from './remove-tree.js';
import { type WalkedEntry, walkTree } from './walk-tree.js';

/**
 * Fills the empty directory `to` with a copy of `from`, however deep: contents (sharing blocks where the file system
 * can), holes, hard links, devices, owners, modes, extended attributes and times, those of the directory itself
 * included. What is mounted below `from` is left out.
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

/** After all that is in it: what is put into a directory changes its times. */
function copyDirectory(system: System, from: number, to: number, stat: Stat): void {
  copyAttributes(system, from, to, stat);
  system.setTimes(to, stat);
}

/**
 * Copies of files that have several names. Each has a name in a directory of its own, from which the further ones are
 * linked: in a deep tree a path from the root could be longer than the kernel takes, and would take long to follow.
 */
class LinkedCopies implements Disposable {
  readonly #system: System;
  readonly #root: number;
  readonly #name = `.links-${randomBytes(6).toString('hex')}`;
  readonly #copied = new Set<string>();
  #directory: number | undefined;

  /** @param root of the copy, in which that directory is made when it is needed, and removed in the end */
  constructor(system: System, root: number) {
    this.#system = system;
    this.#root = root;
  }

  /** @param copy makes `name` in the open directory `to`, of the first name of a file */
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

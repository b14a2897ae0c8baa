import { randomBytes } from 'node:crypto';
import type { Stat, System } from '../../system/system.js';
import { closeQuietly, OPEN_DIRECTORY, statId } from '../directory.js';
import { removeTree } from './remove-tree.js';

/**
 * Copies of files that have several names. Each has a name in a directory of its own, from which the further ones are
 * linked: in a deep tree a path from the root could be longer than the kernel takes, and would take long to follow.
 */
export class LinkedCopies implements Disposable {
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

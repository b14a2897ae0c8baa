import type { System } from '../system/system.js';
import { copyAttributes, copyUp } from './copy-up.js';
import { isDirectory, OPEN_DIRECTORY, statId, withChild } from './directory.js';

/**
 * Fills the empty directory `to` with a copy of `from`: contents (sharing blocks where the file system can), holes,
 * hard links, devices, owners, modes, extended attributes and times, those of the directory itself included.
 * What is mounted below `from` is left out.
 */
export function copyTree(system: System, from: number, to: number): void {
  new TreeCopy(system, to).directory(from, to, '');
}

class TreeCopy {
  readonly #system: System;
  readonly #root: number;
  /** Path in the copy of each file that has further names, by its `statId`. */
  readonly #linked = new Map<string, string>();

  constructor(system: System, root: number) {
    this.#system = system;
    this.#root = root;
  }

  /** @param path of it in the copy, with a slash at its end unless it is the root */
  directory(from: number, to: number, path: string): void {
    const system = this.#system;
    const stat = system.stat(from);
    for (const { name } of system.list(from)) this.#entry(from, to, path, name);
    copyAttributes(system, from, to, stat);
    system.setTimes(to, stat);
  }

  #entry(from: number, to: number, path: string, name: string): void {
    const system = this.#system;
    const stat = system.statAt(from, name);
    if (stat.isMountRoot) return;
    if (isDirectory(stat)) {
      system.makeDirectory(to, name, 0o700);
      withChild(system, from, name, OPEN_DIRECTORY, (source) =>
        withChild(system, to, name, OPEN_DIRECTORY, (copy) =>
          this.directory(source, copy, `${path}${name}/`),
        ),
      );
      return;
    }
    const first = stat.nlink > 1 ? this.#linked.get(statId(stat)) : undefined;
    if (first !== undefined) system.link(this.#root, first, to, name);
    else copyUp(system, from, to, name, stat);
    if (stat.nlink > 1 && first === undefined) this.#linked.set(statId(stat), `${path}${name}`);
  }
}

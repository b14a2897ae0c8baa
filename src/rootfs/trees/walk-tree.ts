import { type DirectoryEntry, type Stat, type System, SystemError } from '../../system/system.js';
import { isDirectory } from '../directory.js';
import { Descent } from './descent.js';

/** Something in a tree, while the walk is at it. */
export interface WalkedEntry {
  /** Relative to the root, which is ''. */
  readonly path: string;
  /** Its name in the open directory `parent`; '.' is that directory itself. */
  readonly parent: number;
  readonly name: string;
  readonly stat: Stat;
}

interface WalkOptions {
  /** Is asked before a name is looked at: what the caller knows is not shown. */
  readonly isKnown?: ((entry: DirectoryEntry, path: string) => boolean) | undefined;
  /** Is told of each directory below the root that was entered, after all that is in it, while it is still open. */
  readonly left?: ((directory: number, stat: Stat) => void) | undefined;
}

/** A directory that the walk is in. */
interface Entered {
  readonly name: string;
  readonly stat: Stat;
  readonly entries: readonly DirectoryEntry[];
  next: number;
}

/**
 * Shows an open directory and all below it, however deep: each directory before what is in it, names in the order of
 * JavaScript's strings. What is mounted there is shown and not entered.
 *
 * @param visit @returns false for a directory that is not to be entered
 */
export function walkTree(
  system: System,
  root: number,
  visit: (entry: WalkedEntry) => boolean,
  options: WalkOptions = {},
): void {
  using walk = new Walk(system, root, visit, options);
  try {
    walk.run();
  } catch (error) {
    // By itself the kernel says no more than the last name.
    throw error instanceof SystemError ? new SystemError(error.errno, error.syscall, walk.at) : error;
  }
}

class Walk implements Disposable {
  /** What the walk is at. */
  at = '.';
  readonly #system: System;
  readonly #root: number;
  readonly #visit: (entry: WalkedEntry) => boolean;
  readonly #options: WalkOptions;
  readonly #descent: Descent;
  readonly #entered: Entered[] = [];
  /** Of the directory that the walk is in. Not kept for each: in a deep tree they would take the square of its depth. */
  #path = '';

  constructor(system: System, root: number, visit: (entry: WalkedEntry) => boolean, options: WalkOptions) {
    this.#system = system;
    this.#root = root;
    this.#visit = visit;
    this.#options = options;
    this.#descent = new Descent(system, root);
  }

  run(): void {
    const stat = this.#system.stat(this.#root);
    if (!this.#visit({ path: '', parent: this.#root, name: '.', stat })) return;
    this.#begin('', stat);
    for (let current = this.#entered[0]; current !== undefined; current = this.#entered.at(-1)) {
      const entry = current.entries[current.next++];
      if (entry === undefined) this.#leave(current);
      else this.#show(entry);
    }
  }

  [Symbol.dispose](): void {
    this.#descent[Symbol.dispose]();
  }

  #show(entry: DirectoryEntry): void {
    const { name } = entry;
    const path = this.#path === '' ? name : `${this.#path}/${name}`;
    if (this.#options.isKnown?.(entry, path)) return;
    this.at = path;
    const parent = this.#descent.directory;
    const stat = this.#system.statAt(parent, name);
    if (!this.#visit({ path, parent, name, stat }) || !isDirectory(stat) || stat.isMountRoot) return;
    this.#descent.enter(name);
    this.#path = path;
    this.#begin(name, stat);
  }

  #begin(name: string, stat: Stat): void {
    const entries = this.#system.list(this.#descent.directory).sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#entered.push({ name, stat, entries, next: 0 });
  }

  #leave({ name, stat }: Entered): void {
    this.#entered.pop();
    if (this.#entered.length === 0) return;
    this.at = this.#path;
    this.#options.left?.(this.#descent.directory, stat);
    this.#descent.leave();
    this.#path = this.#path.slice(0, Math.max(0, this.#path.length - name.length - 1));
  }
}

/** Which of two paths such a walk shows first, as for `Array.sort`. */
export function compareWalked(a: string, b: string): number {
  if (a === b) return 0;
  const [left, right] = [a.split('/'), b.split('/')];
  if (a === '' || b === '') return a === '' ? -1 : 1;
  const at = left.findIndex((name, index) => name !== right[index]);
  if (at === -1) return -1;
  const [name, other] = [left[at]!, right[at]];
  return other === undefined || name > other ? 1 : -1;
}

import { type DirectoryEntry, type Stat, type System, SystemError } from '../../system/system.js';
import { isDirectory } from '../directory.js';
import { Descent } from './descent.js';

/** An entry that the walk visits. */
export interface WalkedEntry {
  /** Path relative to the root; '' is the root. */
  readonly path: string;
  /** Its name in the open directory `parent`; '.' is that directory itself. */
  readonly parent: number;
  readonly name: string;
  readonly stat: Stat;
}

interface WalkOptions {
  /** Called before a name is examined. Entries for which it returns true are not visited. */
  readonly isKnown?: ((entry: DirectoryEntry, path: string) => boolean) | undefined;
  /** Called for each entered directory below the root, after its children, while it is open. */
  readonly left?: ((directory: number, stat: Stat) => void) | undefined;
}

/** A directory that has been entered. */
interface Entered {
  readonly name: string;
  readonly stat: Stat;
  readonly entries: readonly DirectoryEntry[];
  next: number;
}

/**
 * Visits an open directory and all below it, at any depth: each directory before its children, names in the order of
 * JavaScript strings. Mount points are visited but not entered.
 *
 * @param visit returns false for a directory that should not be entered
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
    // The error of the system call only has the last name.
    throw error instanceof SystemError ? new SystemError(error.errno, error.syscall, walk.at) : error;
  }
}

class Walk implements Disposable {
  /** The current path. */
  at = '.';
  readonly #system: System;
  readonly #root: number;
  readonly #visit: (entry: WalkedEntry) => boolean;
  readonly #options: WalkOptions;
  readonly #descent: Descent;
  readonly #entered: Entered[] = [];
  /** Path of the current directory. Paths of all levels would take memory quadratic in the depth. */
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

/** Compares two paths by the order of `walkTree`, for `Array.sort`. */
export function compareWalked(a: string, b: string): number {
  if (a === b) return 0;
  const [left, right] = [a.split('/'), b.split('/')];
  if (a === '' || b === '') return a === '' ? -1 : 1;
  const at = left.findIndex((name, index) => name !== right[index]);
  if (at === -1) return -1;
  const [name, other] = [left[at]!, right[at]];
  return other === undefined || name > other ? 1 : -1;
}

import type { DirectoryEntry, Stat, System } from '../system/system.js';
import { isDirectory, OPEN_DIRECTORY, withChild } from './directory.js';

/** Something in a tree, while the walk is at it. */
export interface WalkedEntry {
  /** Relative to the root, which is ''. */
  readonly path: string;
  /** Its name in the open directory `parent`; '.' is that directory itself. */
  readonly parent: number;
  readonly name: string;
  readonly stat: Stat;
}

/**
 * Shows an open directory and all below it: each directory before what is in it, names in the order of JavaScript's
 * strings. What is mounted there is shown and not entered.
 *
 * @param visit @returns false for a directory that is not to be entered
 * @param isKnown is asked before a name is looked at: what the caller knows is not shown
 */
export function walkTree(
  system: System,
  root: number,
  visit: (entry: WalkedEntry) => boolean,
  isKnown: (entry: DirectoryEntry, path: string) => boolean = () => false,
): void {
  const enter = (directory: number, path: string) => {
    const entries = system.list(directory).sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      const { name } = entry;
      const child = path === '' ? name : `${path}/${name}`;
      if (isKnown(entry, child)) continue;
      const stat = system.statAt(directory, name);
      const entered = visit({ path: child, parent: directory, name, stat });
      if (entered && isDirectory(stat) && !stat.isMountRoot)
        withChild(system, directory, name, OPEN_DIRECTORY, (descriptor) => enter(descriptor, child));
    }
  };
  if (visit({ path: '', parent: root, name: '.', stat: system.stat(root) })) enter(root, '');
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

import type { DirectoryEntry, Stat, System } from '../../system/system.js';
import { isDirectory, restoreTimes, statId } from '../directory.js';
import { isShut } from '../identity.js';
import { Descent } from './descent.js';

/** Decides what is removed from a tree. Directories are identified by their `statId`. */
export interface Pruning {
  /** Whether a file that is not a directory is removed. */
  goes(parentId: string, parent: number, name: string, stat: Stat): boolean;
  /** Whether to enter a directory. All of it stays otherwise. */
  enters(id: string): boolean;
  /** Whether a directory stays even when it is empty. */
  stays(parentId: string, name: string, id: string): boolean;
  /** Called after a directory was removed, or was entered and stays. */
  left(id: string, fate: 'gone' | 'stays'): void;
}

/** A directory that has been entered. */
interface Level {
  readonly name: string;
  readonly id: string;
  readonly stat: Stat;
  readonly names: readonly string[];
  next: number;
  isLeft: boolean;
}

/**
 * Removes from an open directory, at any depth, what `pruning` selects, and directories that become empty. The other
 * directories keep their times and modes.
 *
 * @param uid user id of this process
 * @param only one name in the directory. @default all
 */
export function pruneTree(
  system: System,
  root: { readonly descriptor: number; readonly id: string },
  pruning: Pruning,
  uid: number,
  only?: string,
): void {
  using descent = new Descent(system, root.descriptor);
  const enter = (name: string, id: string, stat: Stat, entries: readonly DirectoryEntry[]): Level => ({
    ...{ name, id, stat, names: entries.map((entry) => entry.name) },
    ...{ next: 0, isLeft: false },
  });
  const begin = system.stat(root.descriptor);
  const entries = only === undefined ? system.list(root.descriptor) : [{ name: only, ino: 0, type: 0 }];
  const levels = [enter('.', root.id, begin, entries)];
  for (;;) {
    const level = levels.at(-1)!;
    const name = level.names[level.next++];
    if (name === undefined) {
      levels.pop();
      const above = levels.at(-1);
      if (above === undefined) break;
      const goes = !level.isLeft && !pruning.stays(above.id, level.name, level.id);
      if (!goes) restore(system, descent.directory, level.stat, uid);
      descent.leave();
      if (goes) system.removeDirectory(descent.directory, level.name);
      else above.isLeft = true;
      pruning.left(level.id, goes ? 'gone' : 'stays');
      continue;
    }
    const { directory } = descent;
    const stat = system.statAt(directory, name);
    const id = statId(stat);
    if (!isDirectory(stat)) {
      if (pruning.goes(level.id, directory, name, stat)) system.unlink(directory, name);
      else level.isLeft = true;
    } else if (pruning.enters(id)) {
      if (isShut(stat, uid)) system.chmodAt(directory, name, (stat.mode & 0o7777) | 0o700);
      descent.enter(name);
      levels.push(enter(name, id, stat, system.list(descent.directory)));
    } else level.isLeft = true;
  }
  restoreTimes(system, root.descriptor, begin);
}

function restore(system: System, directory: number, stat: Stat, uid: number): void {
  if (isShut(stat, uid)) system.chmod(directory, stat.mode & 0o7777);
  restoreTimes(system, directory, stat);
}

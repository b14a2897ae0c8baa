import type { Stat, System } from '../../system/system.js';
import { isDirectory } from '../directory.js';
import { copyAttributes, copyUp } from './copy-up.js';
import { Descent } from './descent.js';
import { LinkedCopies } from './linked-copies.js';
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

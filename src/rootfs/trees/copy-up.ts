import { isErrno, O, S, type Stat, type System } from '../../system/system.js';
import { isMark } from '../xattrs.js';
import { copyContents } from './copy-contents.js';

/** Called when an owner can't be set and is skipped. Without it the copy fails. */
export type OnRefusedOwner = (() => void) | undefined;

/** Copies `name` from a lower directory into the upper one, as overlayfs does before it is written to. */
export function copyUp(
  system: System,
  lower: number,
  upper: number,
  name: string,
  stat: Stat,
  onRefusedOwner?: OnRefusedOwner,
): void {
  const type = stat.mode & S.IFMT;
  if (type === S.IFREG) {
    copyFile(system, lower, upper, name, stat, onRefusedOwner);
    return;
  }
  if (type === S.IFLNK) system.symlink(system.readLink(lower, name), upper, name);
  else system.makeNode(upper, name, stat.mode, stat.rdevMajor, stat.rdevMinor);
  const mode = giveOwner(() => system.chownAt(upper, name, stat.uid, stat.gid), stat, onRefusedOwner);
  if (type !== S.IFLNK) system.chmodAt(upper, name, mode);
  system.setTimesAt(upper, name, stat);
}

function copyFile(
  system: System,
  lower: number,
  upper: number,
  name: string,
  stat: Stat,
  onRefusedOwner: OnRefusedOwner,
): void {
  const from = system.openAt(lower, name, O.RDONLY | O.NONBLOCK, 0);
  try {
    const to = system.openAt(upper, name, O.WRONLY | O.CREAT | O.EXCL, 0o600);
    try {
      copyContents(system, from, to, stat.size);
      copyAttributes(system, from, to, stat, onRefusedOwner);
      system.setTimes(to, stat);
    } finally {
      system.close(to);
    }
  } finally {
    system.close(from);
  }
}

/** Owner, extended attributes and mode, but not the times, of one open file or directory for another. */
export function copyAttributes(
  system: System,
  from: number,
  to: number,
  stat: Stat,
  onRefusedOwner?: OnRefusedOwner,
): void {
  const mode = giveOwner(() => system.chown(to, stat.uid, stat.gid), stat, onRefusedOwner);
  for (const name of system.listXattrs(from)) {
    const value = isMark(name) ? undefined : system.getXattr(from, name);
    if (value === undefined) continue;
    try {
      system.setXattr(to, name, value);
    } catch (error) {
      if (!isErrno(error, 'ENOTSUP', 'EOPNOTSUPP', 'EPERM')) throw error;
    }
  }
  system.chmod(to, mode);
}

/** @returns the mode for the resulting owner: without setuid and setgid when the owner was skipped */
function giveOwner(chown: () => void, { mode }: Stat, onRefusedOwner: OnRefusedOwner): number {
  try {
    chown();
    return mode & 0o7777;
  } catch (error) {
    // EINVAL: the user namespace does not map the owner.
    if (onRefusedOwner === undefined || !isErrno(error, 'EPERM', 'EINVAL')) throw error;
    onRefusedOwner();
    return mode & 0o1777;
  }
}

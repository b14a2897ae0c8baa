import { displayPath } from '../../base/path-bytes.js';
import {
  type DirectoryEntry,
  DT,
  isErrno,
  type Stat,
  type System,
  SystemError,
} from '../../system/system.js';
import { isDirectory, statId } from '../directory.js';
import { Descent } from './descent.js';

/** The remaining entries of a directory that has been entered. */
interface Pending {
  readonly name: string;
  readonly id: string;
  readonly entries: readonly DirectoryEntry[];
  next: number;
}

/**
 * Removes `name` and all below it, at any depth. Follows no symlink and enters no mount. Succeeds when it does not exist, or
 * another process removes it too.
 *
 * @param removed called with the `statId` of each removed directory, which the file system may reuse
 */
export function removeTree(
  system: System,
  directory: number,
  name: string,
  removed: (id: string) => void = () => {},
): void {
  removeEntries(system, directory, [{ name, ino: 0, type: DT.UNKNOWN }], removed);
}

/** Removes everything in an open directory. */
function emptyDirectory(system: System, directory: number): void {
  const entries = withWritable(system, directory, () => system.list(directory));
  removeEntries(system, directory, entries, () => {});
}

function removeEntries(
  system: System,
  root: number,
  entries: readonly DirectoryEntry[],
  removed: (id: string) => void,
): void {
  using descent = new Descent(system, root);
  const around = system.stat(root);
  const pending: Pending[] = [{ name: '.', id: '', entries, next: 0 }];
  for (let current = pending[0]; current !== undefined; current = pending.at(-1)) {
    const entry = current.entries[current.next++];
    if (entry === undefined) {
      pending.pop();
      if (pending.length > 0) leave(system, descent, current, removed);
    } else if (!unlinkEntry(system, descent.directory, entry)) {
      const entered = enter(system, descent, entry.name, around);
      if (entered !== undefined) pending.push(entered);
    }
  }
}

/** @returns undefined when the directory was removed; the descent then stays in the parent */
function enter(system: System, descent: Descent, name: string, around: Stat): Pending | undefined {
  const parent = descent.directory;
  try {
    try {
      descent.enter(name);
    } catch (error) {
      if (!isErrno(error, 'EACCES')) throw error;
      // A directory of this user without permission to read it.
      system.chmodAt(parent, name, 0o700);
      descent.enter(name);
    }
  } catch (error) {
    // Another process has removed or replaced it.
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw error;
    unlinkIfThere(system, parent, name);
    return undefined;
  }
  const { directory } = descent;
  const inside = system.stat(directory);
  const sameDevice = inside.devMajor === around.devMajor && inside.devMinor === around.devMinor;
  // A mount point can't be removed (EBUSY); its content stays. A bind mount may be on the same device.
  const isMount = !sameDevice || inside.isMountRoot;
  const entries = isMount ? [] : withWritable(system, directory, () => system.list(directory));
  return { name, id: statId(inside), entries, next: 0 };
}

function leave(system: System, descent: Descent, { name, id }: Pending, removed: (id: string) => void): void {
  // `..` is opened before the removal: a removed directory has none on some file systems.
  withWritable(system, descent.directory, () => descent.leave());
  removed(id);
  try {
    withWritable(system, descent.directory, () => system.removeDirectory(descent.directory, name));
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}

/** @returns false when it is a directory */
function unlinkEntry(system: System, directory: number, { name, type }: DirectoryEntry): boolean {
  return type !== DT.DIR && withWritable(system, directory, () => unlinkIfThere(system, directory, name));
}

/** @returns false when it is a directory */
function unlinkIfThere(system: System, directory: number, name: string): boolean {
  try {
    system.unlink(directory, name);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return true;
    if (isErrno(error, 'EISDIR')) return false;
    // POSIX allows EPERM for a directory.
    if (!isErrno(error, 'EPERM') || !isDirectory(system.statAt(directory, name))) throw error;
    return false;
  }
}

/** A directory of an image may deny access to its owner. It is removed anyway, so its mode is changed. */
function withWritable<T>(system: System, directory: number, use: () => T): T {
  try {
    return use();
  } catch (error) {
    if (!isErrno(error, 'EACCES')) throw error;
    system.chmod(directory, 0o700);
    return use();
  }
}

/** A failure may be temporary: too many open files, a network file system without its server. */
const ATTEMPTS = 3;

/**
 * Removes what a failed unpack has written. Does not fail: it removes all it can and reports the rest.
 *
 * @param name the name to remove in the open directory; undefined removes all its entries
 * @param path the path in messages
 * @returns a sentence on what could not be removed; undefined when all is removed
 */
export function takeBack(
  system: System,
  directory: number,
  name: string | undefined,
  path: string,
): string | undefined {
  let refusal: SystemError | undefined;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    try {
      if (name === undefined) emptyDirectory(system, directory);
      else removeTree(system, directory, name);
      return undefined;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      refusal = error;
    }
  }
  const { syscall, path: at, errno } = refusal!;
  return `"${displayPath(path)}" could not be removed (${syscall} "${displayPath(at)}": ${errno}): remove it by hand`;
}

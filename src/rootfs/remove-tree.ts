import { DT, isErrno, O, type System } from '../system/system.js';
import { statId } from './directory.js';

/**
 * Removes `name` and all below it, never through a symlink and never across a mount. Fine when it is not there, or
 * somebody else is removing it too.
 *
 * @param removed is told the `statId` of each directory that goes: the file system may give it to another
 */
export function removeTree(
  system: System,
  directory: number,
  name: string,
  removed: (id: string) => void = () => {},
): void {
  try {
    if (!unlinkIfThere(system, directory, name)) removeDirectory(system, directory, name, removed);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}

function removeDirectory(
  system: System,
  directory: number,
  name: string,
  removed: (id: string) => void,
): void {
  let descriptor: number;
  try {
    descriptor = system.openAt(directory, name, O.RDONLY | O.DIRECTORY | O.NONBLOCK, 0);
  } catch (error) {
    if (!isErrno(error, 'EACCES')) throw error;
    // A directory of ours without the permissions to look into it.
    system.chmodAt(directory, name, 0o700);
    descriptor = system.openAt(directory, name, O.RDONLY | O.DIRECTORY | O.NONBLOCK, 0);
  }
  try {
    const [inside, around] = [system.stat(descriptor), system.stat(directory)];
    const sameDevice = inside.devMajor === around.devMajor && inside.devMinor === around.devMinor;
    // A bind mount is of the same device.
    if (sameDevice && !inside.isMountRoot) emptyDirectory(system, descriptor, removed);
    removed(statId(inside));
  } finally {
    system.close(descriptor);
  }
  // A mount point refuses (EBUSY), and what is mounted there stays whole.
  system.removeDirectory(directory, name);
}

/** Removes everything in an open directory. */
export function emptyDirectory(
  system: System,
  descriptor: number,
  removed: (id: string) => void = () => {},
): void {
  const entries = withWritable(system, descriptor, () => system.list(descriptor));
  for (const { name, type } of entries) {
    if (type === DT.DIR || type === DT.UNKNOWN) removeTree(system, descriptor, name, removed);
    else withWritable(system, descriptor, () => void unlinkIfThere(system, descriptor, name));
  }
}

/** @returns false when it is a directory */
function unlinkIfThere(system: System, directory: number, name: string): boolean {
  try {
    system.unlink(directory, name);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return true;
    if (isErrno(error, 'EISDIR')) return false;
    if (!isErrno(error, 'EPERM', 'EACCES')) throw error;
    // POSIX allows EPERM for a directory.
    return withWritable(system, directory, () => {
      const isDirectory = (system.statAt(directory, name).mode & 0o170000) === 0o040000;
      if (!isDirectory) system.unlink(directory, name);
      return !isDirectory;
    });
  }
}

/** Without privileges a directory of an image may refuse its own owner; it is about to go anyway. */
function withWritable<T>(system: System, directory: number, use: () => T): T {
  try {
    return use();
  } catch (error) {
    if (!isErrno(error, 'EACCES')) throw error;
    system.chmod(directory, 0o700);
    return use();
  }
}

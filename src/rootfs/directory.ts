import { O, S, type Stat, type System, SystemError, type Times } from '../system/system.js';

/** Flags that open a directory to read it. NONBLOCK: a FIFO with the name does not block. */
export const OPEN_DIRECTORY: number = O.RDONLY | O.DIRECTORY | O.NONBLOCK;

/** An open directory below the root, and the directories of lower layers that merge with it, nearest first. */
export interface Directory {
  readonly descriptor: number;
  readonly lowers: readonly number[];
  /** Path below the root without symlinks, which may be deleted before the end. */
  readonly path: string;
  /** Device and inode, which identify a directory that is reached by several paths. */
  readonly id: string;
  /** The group of new files when the directory has the setgid bit. */
  readonly groupForNew: number | undefined;
  readonly stat: Stat;
}

export function describeDirectory(
  system: System,
  descriptor: number,
  lowers: readonly number[],
  path: string,
): Directory {
  const stat = system.stat(descriptor);
  const groupForNew = stat.mode & S.ISGID ? stat.gid : undefined;
  return { descriptor, lowers, path, id: statId(stat), groupForNew, stat };
}

export function joinPath(directory: Directory, name: string): string {
  return directory.path === '' ? name : `${directory.path}/${name}`;
}

export function closeDirectory(system: System, directory: Directory): void {
  for (const descriptor of [directory.descriptor, ...directory.lowers]) closeQuietly(system, descriptor);
}

export function statId(stat: Stat): string {
  return `${stat.devMajor}:${stat.devMinor}:${stat.ino}`;
}

/** Whether a path can lead through it: directories and symlinks. */
export function mayBePartOfAPath(stat: Stat): boolean {
  const type = stat.mode & S.IFMT;
  return type === S.IFDIR || type === S.IFLNK;
}

export function isDirectory(stat: Stat): boolean {
  return (stat.mode & S.IFMT) === S.IFDIR;
}

/** Runs `use` with a directory below `parent` open, and closes it. */
export function withChild<T>(
  system: System,
  parent: number,
  name: string,
  flags: number,
  use: (descriptor: number) => T,
): T {
  const descriptor = system.openAt(parent, name, flags, 0);
  try {
    return use(descriptor);
  } finally {
    system.close(descriptor);
  }
}

/** Closes a directory. An error does not matter, since a directory has no unwritten data. */
export function closeQuietly(system: System, descriptor: number): void {
  try {
    system.close(descriptor);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
}

/** Restores the times of an open directory, if they have changed. */
export function restoreTimes(system: System, descriptor: number, times: Times): void {
  const now = system.stat(descriptor);
  const isSame =
    now.mtimeSec === times.mtimeSec &&
    now.mtimeNsec === times.mtimeNsec &&
    now.atimeSec === times.atimeSec &&
    now.atimeNsec === times.atimeNsec;
  if (!isSame) system.setTimes(descriptor, times);
}

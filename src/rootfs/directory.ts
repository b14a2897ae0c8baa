import { O, S, type Stat, type System, SystemError, type Times } from '../system/system.js';

/** To read it; a FIFO in its place keeps nobody waiting. */
export const OPEN_DIRECTORY: number = O.RDONLY | O.DIRECTORY | O.NONBLOCK;

/** An open directory below the root, and the directories of lower layers it is merged with, nearest first. */
export interface Directory {
  readonly descriptor: number;
  readonly lowers: readonly number[];
  /** Where it is below the root, without symlinks, however it was reached: they may be gone by the end. */
  readonly path: string;
  /** Device and inode: two paths through different symlinks are one directory. */
  readonly id: string;
  /** Group that new files get, where the directory's setgid bit hands down its own. */
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

/** A file never leads anywhere; what does may be on the way of any open path. */
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

/** Of a directory there is nothing left to write: that closing it fails changes nothing. */
export function closeQuietly(system: System, descriptor: number): void {
  try {
    system.close(descriptor);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
}

/** Gives an open directory the times that it had, where writing into it or reading it has changed them. */
export function restoreTimes(system: System, descriptor: number, times: Times): void {
  const now = system.stat(descriptor);
  const isSame =
    now.mtimeSec === times.mtimeSec &&
    now.mtimeNsec === times.mtimeNsec &&
    now.atimeSec === times.atimeSec &&
    now.atimeNsec === times.atimeNsec;
  if (!isSame) system.setTimes(descriptor, times);
}

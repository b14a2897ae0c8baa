import type { Stat, System } from '../system/system.js';
import { S } from '../system/system.js';

/** An open directory below the root, and the directories of lower layers it is merged with, nearest first. */
export interface Directory {
  readonly descriptor: number;
  readonly lowers: readonly number[];
  /** Device and inode: two paths through different symlinks are one directory. */
  readonly id: string;
  /** Group that new files get, where the directory's setgid bit hands down its own. */
  readonly groupForNew: number | undefined;
  readonly stat: Stat;
}

export function describeDirectory(system: System, descriptor: number, lowers: readonly number[]): Directory {
  const stat = system.stat(descriptor);
  const groupForNew = stat.mode & S.ISGID ? stat.gid : undefined;
  return { descriptor, lowers, id: statId(stat), groupForNew, stat };
}

export function closeDirectory(system: System, directory: Directory): void {
  system.close(directory.descriptor);
  for (const lower of directory.lowers) system.close(lower);
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

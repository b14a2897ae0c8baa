import { OverlayerError } from '../base/errors.js';
import { toOverlayerError } from '../system/errno-code.js';
import {
  AT_FDCWD,
  isErrno,
  O,
  S,
  type Stat,
  type System,
  SystemError,
  type Times,
} from '../system/system.js';

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

/** An open directory that an entry has made. */
export interface NewDirectory {
  readonly descriptor: number;
  readonly stat: Stat;
  /** The times of its entry. It gets them when it is closed: what is made in it changes them. */
  readonly times: Times;
}

export function describeDirectory(
  system: System,
  descriptor: number,
  lowers: readonly number[],
  path: string,
  stat: Stat = system.stat(descriptor),
): Directory {
  const groupForNew = stat.mode & S.ISGID ? stat.gid : undefined;
  return { descriptor, lowers, path, id: statId(stat), groupForNew, stat };
}

export function joinPath(directory: Directory, name: string): string {
  return directory.path === '' ? name : `${directory.path}/${name}`;
}

function closeDirectory(system: System, directory: Directory): void {
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

/** Runs `use` with the directory at a path open, and closes it. A symlink is followed only before the last name. */
export function withDirectory<T>(system: System, path: string, use: (descriptor: number) => T): T {
  return withChild(system, AT_FDCWD, path, OPEN_DIRECTORY, use);
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

/**
 * Open directories by their paths below the root. The least recently used one is closed first. containerd makes 468,000
 * stat calls for an image of 70,288 entries; with this cache a file needs none.
 */
export class DirectoryCache {
  readonly #system: System;
  readonly #closing: (directory: Directory) => void;
  readonly #open = new Map<string, Directory>();
  /** Directories in use, which stay open until `unpin`. */
  readonly #pinned: Directory[] = [];
  readonly #forgotten = new Set<Directory>();
  readonly #maxDescriptors: number;
  #descriptors = 0;
  #lastPath: string | undefined;
  #last: Directory | undefined;

  /**
   * @param closing called before a directory is closed
   * @param maxDescriptors bound of open descriptors, including those of lower directories. Archives list the children of a
   *   directory together, so a few suffice; other orders only cost time
   */
  constructor(system: System, closing: (directory: Directory) => void, maxDescriptors: number) {
    this.#system = system;
    this.#maxDescriptors = maxDescriptors;
    this.#closing = closing;
  }

  get(path: string): Directory | undefined {
    if (path === this.#lastPath) return this.#last;
    const directory = this.#open.get(path);
    if (directory === undefined) return undefined;
    this.#open.delete(path);
    this.#open.set(path, directory);
    this.#lastPath = path;
    this.#last = directory;
    return directory;
  }

  add(directory: Directory): void {
    const { path } = directory;
    this.#descriptors += 1 + directory.lowers.length;
    this.#open.set(path, directory);
    this.#lastPath = path;
    this.#last = directory;
    this.shrink(this.#maxDescriptors);
  }

  /**
   * Closes the least recently used directories until at most `descriptors` are open. Keeps the last requested directory and
   * those in use.
   */
  shrink(descriptors: number): void {
    if (this.#descriptors <= descriptors) return;
    for (const [path, oldest] of this.#open) {
      if (this.#descriptors <= descriptors) break;
      if (path !== this.#lastPath && !this.#pinned.includes(oldest)) this.drop(path);
    }
  }

  /** Keeps the directory open until `unpin`, even when it is dropped. */
  pin(directory: Directory): void {
    this.#pinned.push(directory);
  }

  /** Unpins the directory that was pinned last. */
  unpin(): void {
    const directory = this.#pinned.pop()!;
    if (this.#pinned.includes(directory) || !this.#forgotten.delete(directory)) return;
    closeDirectory(this.#system, directory);
  }

  /** Drops one path. */
  drop(path: string): void {
    const directory = this.#open.get(path);
    if (directory === undefined) return;
    this.#open.delete(path);
    this.#descriptors -= 1 + directory.lowers.length;
    if (path === this.#lastPath) this.#lastPath = undefined;
    try {
      this.#closing(directory);
    } finally {
      if (this.#pinned.includes(directory)) this.#forgotten.add(directory);
      else closeDirectory(this.#system, directory);
    }
  }

  /** Drops all paths, since any of them may lead through a directory that was removed. */
  clear(): void {
    for (const path of [...this.#open.keys()]) this.drop(path);
  }

  /** Closes all directories without calling `closing`. */
  abandon(): void {
    for (const directory of [...this.#open.values(), ...this.#forgotten])
      closeDirectory(this.#system, directory);
    this.#open.clear();
    this.#forgotten.clear();
    this.#lastPath = undefined;
  }
}

/**
 * Opens a directory that the caller has named.
 *
 * @param what the directory's role, for the error
 * @throws OverlayerError `NotFound`
 */
export function openTree(system: System, path: string, what: string): number {
  try {
    // The path may end in a symlink, which `/.` follows.
    return system.openAt(AT_FDCWD, `${path}/.`, OPEN_DIRECTORY, 0);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw toOverlayerError(error, `Cannot open "${path}"`);
    const is = isErrno(error, 'ENOENT') ? 'does not exist' : 'is not a directory';
    throw new OverlayerError('NotFound', `${what} "${path}" ${is}`, { cause: error });
  }
}

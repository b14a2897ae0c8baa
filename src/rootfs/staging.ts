import { realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { OverlayerError } from '../base/errors.js';
import { AT_FDCWD, O, S, type System, SystemError } from '../system/system.js';
import { closeQuietly, OPEN_DIRECTORY } from './directory.js';

/** The open directory that a destination is in. */
export interface ParentDirectory {
  readonly descriptor: number;
  readonly path: string;
}

export function openParent(
  system: System,
  path: string,
  keep: (descriptor: number) => number,
): ParentDirectory {
  return { descriptor: keep(system.openAt(AT_FDCWD, path, OPEN_DIRECTORY, 0)), path };
}

/** Closes the kept descriptors when `open` fails. */
export function withClosing<T>(system: System, open: (keep: (descriptor: number) => number) => T): T {
  const kept: number[] = [];
  try {
    return open((descriptor) => {
      kept.push(descriptor);
      return descriptor;
    });
  } catch (error) {
    for (const descriptor of kept) closeQuietly(system, descriptor);
    throw error;
  }
}

/**
 * The directory of a destination that does not exist yet, without symlinks.
 *
 * @throws OverlayerError `NotFound`
 */
export function realParent(path: string): string {
  try {
    return realpathSync(dirname(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new OverlayerError('NotFound', `Cannot create "${path}": its parent directory does not exist`, {
      cause: error,
    });
  }
}

/** A hidden name beside the destination, which is recognizable after a power cut. */
export function stagingName(name: string): string {
  // The name need not be secret: mkdir fails if it is taken. (node:crypto takes 3 ms to load.)
  return `${stagingStart(name)}${Math.random().toString(36).slice(2, 10)}`;
}

function stagingStart(name: string): string {
  // A name has at most 255 bytes. The cut may split a character, whose rest is removed.
  const start = Buffer.from(name)
    .subarray(0, 200)
    .toString()
    .replace(/\uFFFD+$/, '');
  return `.${start}.overlayer-`;
}

/**
 * Locks (flock) a new file with a staging name, so that no `removeDeadFiles` takes it for that of a dead process.
 *
 * @returns false when one did so before the lock
 */
export function lockStagedFile(system: System, descriptor: number): boolean {
  try {
    return system.tryLock(descriptor) && system.stat(descriptor).nlink > 0;
  } catch (error) {
    // A file system without locks: `removeDeadFiles` removes nothing there.
    if (error instanceof SystemError) return true;
    throw error;
  }
}

/** Removes the files that killed writers of a destination left beside it: nothing holds their locks. It reports no failure. */
export function removeDeadFiles(system: System, directory: number, name: string): void {
  const start = stagingStart(name);
  try {
    for (const { name: staging } of system.list(directory)) {
      if (!staging.startsWith(start) || !/^[0-9a-z]{1,8}$/.test(staging.slice(start.length))) continue;
      const file = system.openAt(directory, staging, O.RDONLY | O.NOFOLLOW | O.NONBLOCK, 0);
      try {
        const isFile = (system.stat(file).mode & S.IFMT) === S.IFREG;
        if (isFile && system.tryLock(file)) system.unlink(directory, staging);
      } finally {
        closeQuietly(system, file);
      }
    }
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
}

import { realpathSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { OverlayerError } from '../base/errors.js';
import { findLinuxSystem } from '../system/linux.js';
import { AT_FDCWD, isErrno, O, S, type System, SystemError } from '../system/system.js';
import { closeQuietly, OPEN_DIRECTORY, withDirectory } from './directory.js';
import { removeTree } from './trees/remove-tree.js';

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
    return realpathSync.native(dirname(path));
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

/** A new file beside its later place. */
export interface StagedFile {
  readonly file: FileHandle;
  readonly path: string;
}

/** Makes a file that will be renamed to `path`. Removes files that killed writers of `path` left. */
export async function openStagedFile(path: string, mode: number): Promise<StagedFile> {
  const system = findLinuxSystem();
  const directory = dirname(path);
  const name = basename(path);
  if (system !== undefined)
    withDirectory(system, `${directory}/.`, (descriptor) => removeDead(system, descriptor, name));
  for (;;) {
    const staging = join(directory, `${stagingName(name)}${system === undefined ? UNLOCKED : ''}`);
    const file = await open(staging, 'wx', mode);
    if (system === undefined || lockStaged(system, file.fd)) return { file, path: staging };
    await file.close();
  }
}

/** Ends the name of a file whose writer has no flock(2). `removeDead` leaves it, since it can't know that it is dead. */
const UNLOCKED = '-unlocked';

/**
 * Locks (flock) a new file or directory with a staging name, so that no `removeDead` takes it for that of a dead process.
 *
 * @returns false when one did so before the lock
 */
export function lockStaged(system: System, descriptor: number): boolean {
  try {
    return system.tryLock(descriptor) && system.stat(descriptor).nlink > 0;
  } catch (error) {
    // A file system without locks: `removeDead` removes nothing there.
    if (error instanceof SystemError) return true;
    throw error;
  }
}

/** Opens and locks a new directory. @returns undefined when another process took it for that of a dead one before the lock */
export function openStaged(system: System, parent: number, name: string): number | undefined {
  let descriptor: number;
  try {
    descriptor = system.openAt(parent, name, OPEN_DIRECTORY, 0);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  if (lockStaged(system, descriptor)) return descriptor;
  closeQuietly(system, descriptor);
  return undefined;
}

/**
 * Removes the files and directories that killed writers of a destination left beside it: nothing holds their locks. It
 * follows no symlink, enters no mount, and reports no failure.
 */
export function removeDead(system: System, directory: number, name: string): void {
  const start = stagingStart(name);
  for (const { name: staging } of quietly(() => system.list(directory, { start })) ?? [])
    if (/^[0-9a-z]{1,8}$/.test(staging.slice(start.length)))
      quietly(() => removeIfDead(system, directory, staging));
}

function removeIfDead(system: System, directory: number, staging: string): void {
  const descriptor = system.openAt(directory, staging, O.RDONLY | O.NOFOLLOW | O.NONBLOCK, 0);
  try {
    const { mode, isMountRoot } = system.stat(descriptor);
    const type = mode & S.IFMT;
    if (isMountRoot || (type !== S.IFREG && type !== S.IFDIR) || !system.tryLock(descriptor)) return;
    if (type === S.IFREG) system.unlink(directory, staging);
    else removeTree(system, directory, staging);
  } finally {
    closeQuietly(system, descriptor);
  }
}

/** @returns undefined when the kernel refused a call */
function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return undefined;
  }
}

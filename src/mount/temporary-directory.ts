import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OverlayerError } from '../base/errors.js';
import { closeQuietly, OPEN_DIRECTORY, withChild } from '../rootfs/directory.js';
import { lockDirectory } from '../rootfs/lock-directory.js';
import { openStaged } from '../rootfs/staging.js';
import { toOverlayerError } from '../system/errno-code.js';
import { openLinuxSystem } from '../system/linux.js';
import type { MountSystem } from '../system/mount-system.js';
import { AT_FDCWD, S, type System, SystemError } from '../system/system.js';
import { unmountTree } from './unmount-tree.js';

/** A directory that only this user may look into. */
export interface TemporaryDirectory extends Disposable {
  readonly path: string;
  /** An empty directory in it. */
  readonly mountPoint: string;
}

const START = 'overlayer-mount-';
const MOUNT_POINT = 'mounted';

/**
 * Makes a directory with a directory to mount on. The outer one is locked (flock): a mount on it would hide the lock. What
 * killed processes left is unmounted and removed first, unless files are open there.
 */
export async function makeTemporaryDirectory(mounts: MountSystem): Promise<TemporaryDirectory> {
  const system = openLinuxSystem();
  const parent = tmpdir();
  try {
    await removeDead(system, mounts, parent);
    for (;;) {
      const path = await mkdtemp(join(parent, START));
      const lock = openStaged(system, AT_FDCWD, path);
      if (lock === undefined) continue;
      system.makeDirectory(lock, MOUNT_POINT, 0o700);
      return {
        path,
        mountPoint: join(path, MOUNT_POINT),
        [Symbol.dispose]() {
          try {
            removeFlat(system, AT_FDCWD, path, lock);
          } finally {
            system.close(lock);
          }
        },
      };
    }
  } catch (error) {
    throw toOverlayerError(error, `Cannot make a temporary directory in "${parent}"`);
  }
}

/** Whether it has only names that this module makes: the mount point, and symlinks (`kinds/short-names.ts`). */
function isOwn(system: System, descriptor: number): boolean {
  return system
    .list(descriptor)
    .every(({ name }) => name === MOUNT_POINT || (system.statAt(descriptor, name).mode & S.IFMT) === S.IFLNK);
}

/** Removes a directory with what this module puts into it. Never recursively: something may be mounted. */
function removeFlat(system: System, parent: number, name: string, descriptor: number): void {
  for (const entry of system.list(descriptor))
    if (entry.name === MOUNT_POINT) system.removeDirectory(descriptor, entry.name);
    else system.unlink(descriptor, entry.name);
  system.removeDirectory(parent, name);
}

/** It reports no failure: the next call tries again. */
async function removeDead(system: System, mounts: MountSystem, directory: string): Promise<void> {
  const names = withChild(system, AT_FDCWD, `${directory}/.`, OPEN_DIRECTORY, (parent) =>
    system.list(parent, { start: START }),
  );
  for (const { name } of names)
    try {
      await removeIfDead(system, mounts, join(directory, name));
    } catch (error) {
      if (!(error instanceof SystemError) && !OverlayerError.is(error)) throw error;
    }
}

async function removeIfDead(system: System, mounts: MountSystem, path: string): Promise<void> {
  const lock = lockDirectory(system, AT_FDCWD, path);
  if (typeof lock !== 'number') return;
  try {
    const { uid, isMountRoot } = system.stat(lock);
    // Other users can make a directory with such a name, and a symlink in it that leads to a mount of the host.
    if (uid !== process.geteuid!()) return;
    // The user may have made it, or mounted something there.
    if (isMountRoot || !isOwn(system, lock)) return;
    await unmountTree(mounts, join(path, MOUNT_POINT), { lazy: false, attempts: 1 });
    removeFlat(system, AT_FDCWD, path, lock);
  } finally {
    closeQuietly(system, lock);
  }
}

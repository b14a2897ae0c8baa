import { close } from 'node:fs';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { OverlayerError } from '../base/errors.js';
import { OPEN_DIRECTORY } from '../rootfs/directory.js';
import { lockDirectory } from '../rootfs/lock-directory.js';
import { removeTree } from '../rootfs/trees/remove-tree.js';
import { toOverlayerError } from '../system/errno-code.js';
import { openLinuxSystem } from '../system/linux.js';
import { openLinuxMountSystem } from '../system/linux-mount.js';
import type { MountSystem } from '../system/mount-system.js';
import { AT_FDCWD, SystemError } from '../system/system.js';
import type { Mount } from './mount.js';
import { mountOnto } from './mount-onto.js';

/** Mounts onto a directory. @returns a path at which the mount is visible */
export type MountAt = (mounts: readonly Mount[], target: string) => Promise<string>;

/** Shortages, as Node's errors (`code`) and overlayer's (`errno`) name them. They say nothing about the kernel. */
const SHORTAGES = ['EMFILE', 'ENFILE', 'ENOMEM', 'ENOSPC', 'EDQUOT'];

/**
 * Runs a probe in a new directory below `directory`, which is removed afterwards.
 *
 * The new directory has the name and the lock of a snapshot that is being made (`SnapshotDirectories`): `cleanup`
 * removes it when the process has died.
 *
 * @param what a sentence for errors: `Cannot try overlayfs`
 * @param probe gets two empty directories
 * @throws OverlayerError `NotFound`, `PermissionDenied`, `ResourceExhausted` when the directory cannot be made
 */
export async function inScratch<T>(
  directory: string,
  what: string,
  probe: (first: string, second: string) => Promise<T>,
): Promise<T> {
  const system = openLinuxSystem();
  try {
    // Opened first: the directory can then be removed also when the process has no descriptor left.
    const parent = system.openAt(AT_FDCWD, directory, OPEN_DIRECTORY, 0);
    try {
      const scratch = await mkdtemp(join(directory, 'new-probe-'));
      try {
        const lock = lockDirectory(system, AT_FDCWD, scratch);
        try {
          const [first, second] = [join(scratch, 'first'), join(scratch, 'second')];
          await mkdir(first);
          await mkdir(second);
          return await probe(first, second);
        } finally {
          if (typeof lock === 'number') system.close(lock);
        }
      } finally {
        removeTree(system, parent, basename(scratch));
      }
    } finally {
      system.close(parent);
    }
  } catch (error) {
    throw toOverlayerError(error, `${what} in "${directory}"`);
  }
}

/** Probes with mounts that are attached nowhere. They end with their descriptors, up to 10 ms after this returns. */
export async function withDetachedMounts<T>(
  probe: (system: MountSystem, mountAt: MountAt) => Promise<T>,
): Promise<T> {
  const opened: number[] = [];
  let tree: number | undefined;
  const system: MountSystem = {
    ...withoutUnmount(openLinuxMountSystem()),
    attach: (descriptor) => {
      tree = descriptor;
    },
    close: (descriptor) => void opened.push(descriptor),
    mount: ({ target }) => {
      throw new SystemError('ENOSYS', 'mount', target); // mount(2) always attaches
    },
  };
  try {
    return await probe(system, async (mounts, target) => {
      await mountOnto(system, mounts, target);
      return `/proc/self/fd/${tree}`;
    });
  } finally {
    // Node's threads close them: each close waits 2 to 10 ms for all processors.
    for (const descriptor of opened) close(descriptor, () => {});
  }
}

/** A probe's mounts end with their descriptors, or with their thread's namespace. */
export function withoutUnmount(system: MountSystem): MountSystem {
  return { ...system, unmount: async () => {} };
}

/** @returns why `look` failed, for people; undefined if it did not @throws a shortage */
export async function reasonOf(what: string, look: () => Promise<void>): Promise<string | undefined> {
  try {
    await look();
    return undefined;
  } catch (error) {
    if (isShortage(error)) throw error;
    if (!OverlayerError.is(error)) return `${what} does not work there: ${(error as Error).message}`;
    return error.hint === undefined ? error.message : `${error.message}; ${error.hint}`;
  }
}

function isShortage(error: unknown): boolean {
  const { code, errno } = error as { readonly code?: string; readonly errno?: string | number };
  return SHORTAGES.some((each) => each === code || each === errno);
}

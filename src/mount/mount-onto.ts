import { readlinkSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { MOUNT_ATTRIBUTE, type MountSystem, MS } from '../system/mount-system.js';
import { readMountInfo, topMount } from '../system/mountinfo.js';
import { hasProc } from '../system/own-proc.js';
import { AT_FDCWD, asSystemError, isErrno, O, SystemError } from '../system/system.js';
import { mountFileSystem, mountFileSystemOld } from './file-system-mount.js';
import { mapOwners } from './idmapped.js';
import type { Mount } from './mount.js';
import type { MountAttempt, MountTarget } from './mount-attempt.js';
import { mountError } from './mount-error.js';
import { mountAttributes, mountFlags, parseMountOptions } from './mount-options.js';
import { mountOverlay } from './overlay-mount.js';

/** Mounts one after the other onto `target`. If one fails, the others are unmounted. */
export async function mountOnto(
  system: MountSystem,
  mounts: readonly Mount[],
  target: string,
): Promise<void> {
  const done: string[] = [];
  try {
    for (const mount of mounts) done.push(await mountOne(system, mount, target));
  } catch (error) {
    for (const path of done.reverse()) await system.unmount(path, { lazy: true });
    throw error;
  }
}

/** @returns the path of the mount, symlinks resolved */
async function mountOne(system: MountSystem, mount: Mount, root: string): Promise<string> {
  const options = parseMountOptions(mount.type, mount.options);
  const target = openTarget(system, root, mount.target ?? '');
  const messages: string[] = [];
  const log = system.followLog();
  try {
    await perform({ system, mount, options, target, messages });
    return target.path;
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    // overlayfs explains its errors only in the log. Other filesystems begin their lines with their names too.
    const own = log?.read().filter((line) => line.toLowerCase().startsWith(mount.type)) ?? [];
    throw mountError(`Cannot mount ${mount.type} on "${target.path}"`, error, {
      type: mount.type,
      messages: [...messages, ...own],
    });
  } finally {
    log?.close();
    system.close(target.descriptor);
  }
}

async function perform(attempt: MountAttempt): Promise<void> {
  if (attempt.options.bind !== 'no') await orOld(attempt, bindMount, bindMountOld);
  else if (attempt.mount.type === 'overlay') await mountOverlay(attempt);
  else await orOld(attempt, mountFileSystem, mountFileSystemOld);
}

/** Kernels before 5.12, and some sandboxes, have mount(2) only. */
async function orOld(
  attempt: MountAttempt,
  now: (attempt: MountAttempt) => void,
  old: (attempt: MountAttempt) => Promise<void>,
): Promise<void> {
  try {
    now(attempt);
  } catch (error) {
    if (!isErrno(error, 'ENOSYS')) throw error;
    await old(attempt);
  }
}

function openTarget(system: MountSystem, root: string, below: string): MountTarget {
  try {
    const top = system.openAt(AT_FDCWD, realpathSync(root), O.PATH, 0);
    if (below === '') return { descriptor: top, path: pathOf(top, root) };
    try {
      const descriptor = system.openInRoot(top, below, O.PATH, 'follow');
      return { descriptor, path: pathOf(descriptor, join(root, below)) };
    } finally {
      system.close(top);
    }
  } catch (error) {
    const path = below === '' ? root : `${root}/${below}`;
    throw mountError(`Cannot mount on "${path}"`, asSystemError(error, ''));
  }
}

/** @param otherwise a path that led to it, for systems without /proc */
function pathOf(descriptor: number, otherwise: string): string {
  return hasProc() ? readlinkSync(`/proc/self/fd/${descriptor}`) : realpathSync(otherwise);
}

/**
 * Shows a directory at a second place. The mount is private: a later mount or unmount there does not reach the
 * source.
 */
function bindMount({ system, mount, options, target }: MountAttempt): void {
  const tree = system.cloneTree(mount.source, { recursive: options.bind === 'rbind' });
  try {
    const everywhere = options.recursiveReadOnly ? MOUNT_ATTRIBUTE.RDONLY : 0;
    system.changeMount(tree, { private: true, set: everywhere }, { recursive: true });
    system.changeMount(tree, mountAttributes(options), { recursive: false });
    mapOwners(system, tree, options.idMap);
    system.attach(tree, target.descriptor);
  } finally {
    system.close(tree);
  }
}

/** Uses mount(2), which makes the mount first and changes it afterwards. */
async function bindMountOld({ system, mount, options, target }: MountAttempt): Promise<void> {
  const { path } = target;
  if (options.recursiveReadOnly || options.idMap !== undefined)
    throw new SystemError('ENOSYS', 'mount_setattr', path);
  const recursive = options.bind === 'rbind' ? MS.REC : 0;
  const change = (flags: number) => system.mount({ source: '', target: path, type: '', flags, data: '' });
  system.mount({ source: mount.source, target: path, type: '', flags: MS.BIND | recursive, data: '' });
  try {
    change(MS.PRIVATE | MS.REC);
    // A remount clears the flags that it does not name. A user namespace may not clear them.
    const present = topMount(readMountInfo(), path)?.options ?? [];
    const kept = mountFlags(parseMountOptions('', present));
    if (options.flags.size > 0) change(MS.BIND | MS.REMOUNT | kept | mountFlags(options));
  } catch (error) {
    await system.unmount(path, { lazy: true });
    throw error;
  }
}

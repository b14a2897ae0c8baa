import { realpath } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { OverlayerError } from '../base/errors.js';
import { type MountSystem, MS } from '../system/mount-system.js';
import { type MountInfo, mountsOn, readMountInfo, topMount } from '../system/mountinfo.js';
import { asSystemError, isErrno, SystemError } from '../system/system.js';
import { mountError } from './mount-error.js';

/** containerd's: a stream that is being closed, or an indexer that looks in, is gone by then. */
const ATTEMPTS = 50;
const PAUSE_MS = 50;

/**
 * Unmounts what is mounted on `target`, one after the other, each with what is mounted below it. Lazily: it leaves
 * the namespace at once, and goes when nobody has anything open there any more.
 */
export async function unmountTree(
  system: MountSystem,
  target: string,
  { lazy }: { readonly lazy: boolean },
): Promise<void> {
  try {
    const path = await realPath(target);
    let last: MountInfo | undefined;
    for (;;) {
      const mounts = readMountInfo();
      const top = path === undefined ? undefined : topMount(mounts, path);
      if (top === undefined) return;
      if (top.mountPoint === '/' || top.id === last?.id) throw new SystemError('EPERM', 'umount2', target);
      await unmountTop(system, top, mountsOn(mounts, top), lazy);
      last = top;
    }
  } catch (error) {
    throw error instanceof SystemError ? mountError(`Cannot unmount "${target}"`, error) : error;
  }
}

async function unmountTop(
  system: MountSystem,
  { mountPoint: path }: MountInfo,
  below: readonly MountInfo[],
  lazy: boolean,
): Promise<void> {
  // Otherwise what goes here could go at the source too: whoever bound it may have left the two coupled.
  system.mount({ source: '', target: path, type: '', flags: MS.PRIVATE | MS.REC, data: '' });
  if (lazy) return await system.unmount(path, { lazy });
  let locked = false;
  for (const { mountPoint } of below)
    locked = !(await unmountOne(system, mountPoint, { lazy: false })) || locked;
  // What came into a user namespace as one tree leaves it as one tree.
  await unmountOne(system, path, { lazy: locked });
}

/** @returns false when it is locked to what it is mounted on (a user namespace got the two as one), or gone */
async function unmountOne(
  system: MountSystem,
  path: string,
  { lazy }: { readonly lazy: boolean },
): Promise<boolean> {
  for (let attempt = 1; ; attempt++)
    try {
      await system.unmount(path, { lazy });
      return true;
    } catch (error) {
      if (isErrno(error, 'EINVAL')) return false;
      if (!isErrno(error, 'EBUSY')) throw error;
      if (attempt === ATTEMPTS) throw inUse(path, error);
      await setTimeout(PAUSE_MS);
    }
}

function inUse(path: string, cause: SystemError): OverlayerError {
  return new OverlayerError('FailedPrecondition', `Cannot unmount "${path}": something is open there`, {
    hint: `fuser -vm '${path}' shows who has it open`,
    cause,
    errno: cause.errno,
  });
}

/** @returns undefined when there is no such thing */
async function realPath(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (error) {
    const refusal = asSystemError(error, path);
    if (isErrno(refusal, 'ENOENT')) return undefined;
    throw refusal;
  }
}

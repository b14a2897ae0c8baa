import { realpath } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { OverlayerError } from '../base/errors.js';
import { type MountSystem, MS } from '../system/mount-system.js';
import { type MountInfo, mountsOn, readMountInfo, topMount } from '../system/mountinfo.js';
import { asSystemError, isErrno, SystemError } from '../system/system.js';
import { mountError } from './mount-error.js';

/** containerd's value. It is enough for a stream that is being closed, or an indexer that looks into the mount. */
const ATTEMPTS = 50;
const PAUSE_MS = 50;

interface UnmountOptions {
  /** The mounts leave the namespace at once, and end when no file is open there any more. */
  readonly lazy: boolean;
  /** How often it tries while files are open there. @default 50, in 2.5 s */
  readonly attempts?: number | undefined;
}

/** Unmounts everything that is mounted on `target`, with the mounts below it, the latest first. */
export async function unmountTree(
  system: MountSystem,
  target: string,
  options: UnmountOptions,
): Promise<void> {
  try {
    const path = await realPath(target);
    let last: MountInfo | undefined;
    for (;;) {
      const mounts = readMountInfo();
      const top = path === undefined ? undefined : topMount(mounts, path);
      if (top === undefined) return;
      if (top.mountPoint === '/' || top.id === last?.id) throw new SystemError('EPERM', 'umount2', target);
      await unmountTop(system, top, mountsOn(mounts, top), options);
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
  { lazy, attempts }: UnmountOptions,
): Promise<void> {
  // A shared mount would be unmounted at its source too.
  system.mount({ source: '', target: path, type: '', flags: MS.PRIVATE | MS.REC, data: '' });
  if (lazy) return await system.unmount(path, { lazy });
  let locked = false;
  for (const { mountPoint } of below)
    locked = !(await unmountOne(system, mountPoint, { lazy: false, attempts })) || locked;
  // Mounts that a user namespace got as one tree can only leave it as one tree.
  await unmountOne(system, path, { lazy: locked, attempts });
}

/** @returns false when it is gone, or locked to the mount below (a user namespace got both as one tree) */
async function unmountOne(
  system: MountSystem,
  path: string,
  { lazy, attempts = ATTEMPTS }: UnmountOptions,
): Promise<boolean> {
  for (let attempt = 1; ; attempt++)
    try {
      await system.unmount(path, { lazy });
      return true;
    } catch (error) {
      if (isErrno(error, 'EINVAL')) return false;
      if (!isErrno(error, 'EBUSY')) throw error;
      if (attempt === attempts) throw inUse(path, error);
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

/** @returns undefined when it does not exist */
async function realPath(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (error) {
    const refusal = asSystemError(error, path);
    if (isErrno(refusal, 'ENOENT')) return undefined;
    throw refusal;
  }
}

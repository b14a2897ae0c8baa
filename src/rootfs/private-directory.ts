import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { AT_FDCWD, isErrno, type System } from '../system/system.js';
import { OPEN_DIRECTORY, withChild } from './directory.js';
import { DEFAULT_ACL } from './xattrs.js';

/**
 * Makes a directory of ours if need be, for its owner alone. Permissions as containerd's since CVE-2021-41103: nobody
 * else may reach setuid files of an image.
 *
 * @returns its real path
 */
export async function makePrivateDirectory(system: System, path: string): Promise<string> {
  await makeDirectory(path);
  const real = realpathSync(path);
  keepToOurselves(system, real);
  return real;
}

async function makeDirectory(path: string): Promise<void> {
  // By itself: making several, Node calls a full disk ENOENT, and never returns where the kernel says so of a name in a
  // directory that is there, as in /proc.
  if (!existsSync(path)) makeOne(firstMissing(resolve(path)));
  if (existsSync(path)) return;
  // Late: it takes 26 ms to load, and seldom is more than one missing.
  const { ensureDir } = await import('fs-extra/esm');
  await ensureDir(path, 0o700);
}

function firstMissing(path: string): string {
  const parent = dirname(path);
  return existsSync(parent) ? path : firstMissing(parent);
}

function makeOne(path: string): void {
  try {
    mkdirSync(path, 0o700);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // else somebody was faster
  }
}

/** What a directory is made in may hand it a group, and default ACLs that would change every mode in a layer. */
function keepToOurselves(system: System, path: string): void {
  withChild(system, AT_FDCWD, path, OPEN_DIRECTORY, (directory) => {
    try {
      for (const acl of [DEFAULT_ACL, 'system.posix_acl_access'])
        if (system.getXattr(directory, acl) !== undefined) system.removeXattr(directory, acl);
      const { uid, gid } = system.stat(directory);
      const [ownUid, ownGid] = [process.geteuid!(), process.getegid!()];
      if (uid !== ownUid || gid !== ownGid) system.chown(directory, ownUid, ownGid);
      // Also where it has the mode: a disk that has failed says so here, and not only when it is first written to.
      system.chmod(directory, 0o700);
    } catch (error) {
      // What can't be changed can be read all the same.
      if (!isErrno(error, 'EROFS')) throw error;
    }
  });
}

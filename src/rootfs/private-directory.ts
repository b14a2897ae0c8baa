import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { AT_FDCWD, O, type System } from '../system/system.js';
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
  const directory = system.openAt(AT_FDCWD, path, O.RDONLY | O.DIRECTORY, 0);
  try {
    for (const acl of [DEFAULT_ACL, 'system.posix_acl_access'])
      if (system.getXattr(directory, acl) !== undefined) system.removeXattr(directory, acl);
    system.chown(directory, process.geteuid!(), process.getegid!());
    system.chmod(directory, 0o700);
  } finally {
    system.close(directory);
  }
}

import { mkdirSync, realpathSync } from 'node:fs';
import { ensureDir } from 'fs-extra/esm';
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
  try {
    await ensureDir(path, 0o700);
  } catch (error) {
    // So node calls a full disk: its mkdir(2) by itself says what it is.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') mkdirSync(path, 0o700);
    else throw error;
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

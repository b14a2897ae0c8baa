import { realpathSync } from 'node:fs';
import { isErrno, type System } from '../system/system.js';
import { withDirectory } from './directory.js';
import { makeDirectories } from './make-directories.js';
import { ACCESS_ACL, DEFAULT_ACL } from './xattrs.js';

/**
 * Makes a directory of overlayer if it does not exist, with access for its owner only. As in containerd since
 * CVE-2021-41103, other users can't reach setuid files of an image.
 *
 * @returns its real path
 */
export async function makePrivateDirectory(system: System, path: string): Promise<string> {
  makeDirectories(path, 0o700);
  const real = realpathSync(path);
  keepToOurselves(system, real);
  return real;
}

/** Removes what the parent passed on: the group, and default ACLs, which would change the modes of a layer. */
function keepToOurselves(system: System, path: string): void {
  withDirectory(system, path, (directory) => {
    try {
      for (const acl of [DEFAULT_ACL, ACCESS_ACL])
        if (system.getXattr(directory, acl) !== undefined) system.removeXattr(directory, acl);
      const { uid, gid } = system.stat(directory);
      const [ownUid, ownGid] = [process.geteuid!(), process.getegid!()];
      if (uid !== ownUid || gid !== ownGid) system.chown(directory, ownUid, ownGid);
      // Also when the mode is right: a failed disk is then detected here, before the first write.
      system.chmod(directory, 0o700);
    } catch (error) {
      // A read-only directory can still be read.
      if (!isErrno(error, 'EROFS')) throw error;
    }
  });
}

import { lstatSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { userDirectory } from '../user-directory.js';

/**
 * Finds or makes the user's cache directory for compiled code, `$XDG_CACHE_HOME/overlayer`. Code that is read from there runs,
 * so no other user may be able to write to the directory or to replace it.
 *
 * @returns undefined where there is no such directory
 */
export function cacheDirectory(): string | undefined {
  const user = process.geteuid?.();
  if (user === undefined || user !== process.getuid?.()) return undefined;
  try {
    const home = userDirectory('XDG_CACHE_HOME', '.cache');
    if (home === undefined) return undefined;
    // As root, nothing is made in the home of another user.
    if (!isSafe(realpathSync.native(dirname(home)), user)) return undefined;
    makeDirectory(home);
    const directory = join(realpathSync.native(home), 'overlayer');
    if (!isSafe(dirname(directory), user)) return undefined;
    makeDirectory(directory);
    const { uid, mode } = lstatSync(directory);
    // A symlink has mode 0777.
    return uid === user && (mode & 0o077) === 0 ? directory : undefined;
  } catch {
    // There is no such directory, or no permission.
    return undefined;
  }
}

function makeDirectory(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return;
  try {
    mkdirSync(path, 0o700);
  } catch (error) {
    // Another process has made it.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/**
 * Whether only the user and root can change which file a name in the directory leads to.
 *
 * @param directory absolute, without symlinks
 */
function isSafe(directory: string, user: number): boolean {
  for (let at = directory; ; at = dirname(at)) {
    const { uid, mode } = lstatSync(at);
    const isSticky = (mode & 0o1000) !== 0;
    if ((uid !== user && uid !== 0) || ((mode & 0o022) !== 0 && !isSticky)) return false;
    if (at === '/') return true;
  }
}

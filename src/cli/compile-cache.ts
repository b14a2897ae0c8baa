import { lstatSync, mkdirSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';

/** Node 22 and later have it. */
const { enableCompileCache } = process.getBuiltinModule('node:module') as {
  readonly enableCompileCache?: (directory: string) => unknown;
};

/**
 * Keeps the code that V8 compiles in the user's cache directory. Code that is read from there runs, so it is used only if no
 * other user can write to the directory or replace it. Without such a directory the code is compiled at each start.
 */
export function keepCompiledCode(): void {
  const user = process.geteuid?.();
  if (enableCompileCache === undefined || user === undefined || user !== process.getuid?.()) return;
  try {
    const home = cacheHome();
    // As root, nothing is made in the home of another user.
    if (!isSafe(realpathSync.native(dirname(home)), user)) return;
    makeDirectory(home);
    const directory = join(realpathSync.native(home), 'overlayer');
    if (!isSafe(dirname(directory), user)) return;
    makeDirectory(directory);
    const { uid, mode } = lstatSync(directory);
    // A symlink has mode 0777.
    if (uid === user && (mode & 0o077) === 0) enableCompileCache(directory);
  } catch {
    // There is no home, or no permission.
  }
}

function cacheHome(): string {
  const home = process.env['XDG_CACHE_HOME'] ?? '';
  return isAbsolute(home) ? home : join(homedir(), '.cache');
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, 0o700);
  } catch (error) {
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

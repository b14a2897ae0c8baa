import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * Makes a directory, and the directories that it is in. Node's own `recursive` reports a full disk as ENOENT, and never
 * returns when mkdir in an existing directory fails with ENOENT, as in /proc.
 *
 * @returns the first directory that was made
 */
export function makeDirectories(path: string, mode?: number): string | undefined {
  const missing: string[] = [];
  for (let at = resolve(path); !existsSync(at); at = dirname(at)) missing.unshift(at);
  return missing.filter((directory) => makeDirectory(directory, mode))[0];
}

/** @returns false if another process has made it */
function makeDirectory(path: string, mode: number | undefined): boolean {
  try {
    mkdirSync(path, mode);
    return true;
  } catch (error) {
    const isThere = statSync(path, { throwIfNoEntry: false })?.isDirectory();
    if (isThere === true && (error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

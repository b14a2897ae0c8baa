import { statSync } from 'node:fs';

/** Whether there is a directory at a path, or a symlink to one. @throws the system's error for a path that it refuses */
export function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

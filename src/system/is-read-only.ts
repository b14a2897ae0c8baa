import { accessSync, constants } from 'node:fs';

/** Whether the file system of a directory is mounted read-only. */
export function isReadOnly(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EROFS';
  }
}

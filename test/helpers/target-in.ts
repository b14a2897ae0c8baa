import { isErrno, type System } from '../../src/system/system.js';

/** Where a symlink leads; undefined for what is none, or not there. */
export const targetIn =
  (system: System) =>
  (directory: number, name: string): string | undefined => {
    try {
      return system.readLink(directory, name);
    } catch (error) {
      if (isErrno(error, 'EINVAL', 'ENOENT', 'ENOTDIR')) return undefined;
      throw error;
    }
  };

import { OverlayerError } from '../../base/errors.js';
import { OPEN_DIRECTORY } from '../../rootfs/directory.js';
import { toOverlayerError } from '../../system/errno-code.js';
import { AT_FDCWD, isErrno, type System } from '../../system/system.js';

/**
 * Opens a directory that the caller has named.
 *
 * @param what the directory's role, for the error
 * @throws OverlayerError `NotFound`
 */
export function openTree(system: System, path: string, what: string): number {
  try {
    // With `/.` the path may end in a symlink.
    return system.openAt(AT_FDCWD, `${path}/.`, OPEN_DIRECTORY, 0);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw toOverlayerError(error, `Cannot open "${path}"`);
    throw new OverlayerError('NotFound', `${what} "${path}" is not a directory`, { cause: error });
  }
}

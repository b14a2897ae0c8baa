import { statSync } from 'node:fs';
import { AT_FDCWD, isErrno, O, type System } from '../system/system.js';

/** What LMDB takes for 126 readers, and some. */
const LOCK_BYTES = 12 * 1024;
/** For the pages of a few hundred changes: LMDB writes each page anew, and uses old ones again. */
const SPARE_BYTES = 256 * 1024;

/**
 * LMDB maps its lock file, and the first touch of a page that the disk has no room for would end the process
 * (SIGBUS): it gets its room before. Only when it is new, since closing a file takes away the locks (fcntl) that the
 * process has on it.
 *
 * @throws SystemError ENOSPC
 */
export function reserveLockFile(system: System, path: string): void {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0) return;
  reserve(system, path, LOCK_BYTES, 'grow');
}

/** On a full disk snapshots can be removed, for which something has to be written; unless it is full already. */
export function reserveSpare(system: System, path: string): void {
  try {
    reserve(system, path, statSync(path).size + SPARE_BYTES, 'keep');
  } catch (error) {
    if (!isErrno(error, 'ENOSPC', 'EDQUOT')) throw error;
  }
}

function reserve(system: System, path: string, bytes: number, size: 'grow' | 'keep'): void {
  const file = system.openAt(AT_FDCWD, path, O.WRONLY | O.CREAT, 0o600);
  try {
    system.allocate(file, bytes, size);
  } catch (error) {
    // Some file systems can't: there it goes without.
    if (!isErrno(error, 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS')) throw error;
  } finally {
    system.close(file);
  }
}

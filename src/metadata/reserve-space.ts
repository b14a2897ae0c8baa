import { statSync } from 'node:fs';
import { AT_FDCWD, isErrno, O, type System } from '../system/system.js';

/** LMDB's size for 126 readers, rounded up. */
const LOCK_BYTES = 12 * 1024;
/** Pages of a few hundred changes: LMDB writes pages anew, and reuses old ones. */
const SPARE_BYTES = 256 * 1024;

/**
 * Reserves disk space for LMDB's lock file. LMDB maps the file, and the first access to a page without disk space would end the
 * process (SIGBUS). Only a new file is opened, since closing it would release the process's locks (fcntl) on it.
 *
 * @throws SystemError ENOSPC
 */
export function reserveLockFile(system: System, path: string): void {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0) return;
  reserve(system, path, LOCK_BYTES, 'grow');
}

/** Two pages of the largest size that LMDB has. */
const FIRST_BYTES = 64 * 1024;

/**
 * Reserves disk space for the first pages of a new store: lmdb ends the process (SIGSEGV) when it can't write them.
 *
 * @throws SystemError ENOSPC. A file that this made is removed
 */
export function reserveFirstPages(system: System, path: string): void {
  const there = statSync(path, { throwIfNoEntry: false });
  if ((there?.size ?? 0) > 0) return;
  try {
    reserve(system, path, FIRST_BYTES, 'keep');
  } catch (error) {
    if (there === undefined) system.unlink(AT_FDCWD, path);
    throw error;
  }
}

/** Reserves space so that snapshots can be removed on a full disk, which needs writes. Does nothing if it is already full. */
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
    // Some file systems can't reserve space.
    if (!isErrno(error, 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS')) throw error;
  } finally {
    system.close(file);
  }
}

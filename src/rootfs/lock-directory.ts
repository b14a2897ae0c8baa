import { OverlayerError } from '../base/errors.js';
import { fromSystemError } from '../system/errno-code.js';
import { isErrno, type System, SystemError } from '../system/system.js';
import { closeQuietly, OPEN_DIRECTORY } from './directory.js';

/** Errors of file systems without locks, and of sandboxes that block them. */
const NO_LOCKS = ['ENOLCK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EPERM'];

/**
 * Locks a directory (flock). The lock ends with the process.
 *
 * @param shown the path in messages
 * @returns a descriptor that holds the lock until it is closed; `held` when this process or another one has the lock; `gone`
 *   when the directory does not exist, or was removed meanwhile
 * @throws OverlayerError `FailedPrecondition`: the file system has no locks
 */
export function lockDirectory(
  system: System,
  parent: number,
  name: string,
  shown: string = name,
): number | 'held' | 'gone' {
  let descriptor: number;
  try {
    descriptor = system.openAt(parent, name, OPEN_DIRECTORY, 0);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return 'gone';
    throw refused(shown, error);
  }
  let outcome: 'locked' | 'held' | 'gone' = 'held';
  try {
    if (system.tryLock(descriptor)) outcome = system.stat(descriptor).nlink > 0 ? 'locked' : 'gone';
  } catch (error) {
    throw refused(shown, error);
  } finally {
    if (outcome !== 'locked') closeQuietly(system, descriptor);
  }
  return outcome === 'locked' ? descriptor : outcome;
}

/** An attempt fails only when another process removes the new directory. */
const ATTEMPTS = 16;

/**
 * Locks a directory, and makes it if it does not exist.
 *
 * @returns a descriptor that holds the lock until it is closed; `held` when this process or another one has the lock
 * @throws OverlayerError `Unavailable`
 */
export function makeLockedDirectory(
  system: System,
  parent: number,
  name: string,
  shown: string = name,
): number | 'held' {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    try {
      system.makeDirectory(parent, name, 0o700);
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw refused(shown, error);
    }
    const lock = lockDirectory(system, parent, name, shown);
    if (lock !== 'gone') return lock;
  }
  throw new OverlayerError('Unavailable', `Other processes remove "${shown}" as often as it is made`);
}

function refused(shown: string, error: unknown): unknown {
  if (!(error instanceof SystemError)) return error;
  const what = `Cannot lock "${shown}"`;
  if (error.syscall !== 'flock' || !NO_LOCKS.includes(error.errno)) return fromSystemError(error, what);
  return new OverlayerError('FailedPrecondition', `${what}: there are no locks (flock: ${error.errno})`, {
    hint: 'it has to be on a file system with flock(2): NFS has it with a lock service, a sandbox may refuse it',
    cause: error,
    errno: error.errno,
  });
}

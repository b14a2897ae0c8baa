import { OverlayerError } from '../base/errors.js';
import { fromSystemError } from '../system/errno-code.js';
import { isErrno, type System, SystemError } from '../system/system.js';
import { closeQuietly, OPEN_DIRECTORY } from './directory.js';

/** What file systems without locks say, and sandboxes that refuse them. */
const NO_LOCKS = ['ENOLCK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EPERM'];

/**
 * Takes the lock (flock) of a directory, which ends with the process.
 *
 * @param shown what people know it by
 * @returns a descriptor that holds it, until it is closed; `held` when another has it, in this process or any other;
 * `gone` when there is no such directory, or it was removed right now
 * @throws OverlayerError `FailedPrecondition`: there are no locks
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

/** Each attempt fails only when another process removes the directory that was made right now. */
const ATTEMPTS = 16;

/**
 * Takes the lock of a directory, which is made where there is none.
 *
 * @returns a descriptor that holds it, until it is closed; `held` when another has it
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

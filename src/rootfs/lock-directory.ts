import { OverlayerError } from '../base/errors.js';
import { isErrno, O, type System } from '../system/system.js';
import { closeQuietly } from './directory.js';

/**
 * Takes the lock (flock) of a directory, which ends with the process.
 *
 * @returns a descriptor that holds it, until it is closed; `held` when another has it, in this process or any other;
 * `gone` when there is no such directory, or it was removed right now
 */
export function lockDirectory(system: System, parent: number, name: string): number | 'held' | 'gone' {
  let descriptor: number;
  try {
    descriptor = system.openAt(parent, name, O.RDONLY | O.DIRECTORY | O.NONBLOCK, 0);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return 'gone';
    throw error;
  }
  let outcome: 'locked' | 'held' | 'gone' = 'held';
  try {
    if (system.tryLock(descriptor)) outcome = system.stat(descriptor).nlink > 0 ? 'locked' : 'gone';
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
export function makeLockedDirectory(system: System, parent: number, name: string): number | 'held' {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    try {
      system.makeDirectory(parent, name, 0o700);
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
    }
    const lock = lockDirectory(system, parent, name);
    if (lock !== 'gone') return lock;
  }
  throw new OverlayerError('Unavailable', `Other processes remove "${name}" as often as it is made`);
}

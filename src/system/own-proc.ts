import { existsSync, readFileSync } from 'node:fs';
import { OverlayerError } from '../base/errors.js';

/** A file of /proc/self. @returns undefined where /proc is not mounted */
export function readOwnProc(name: string): string | undefined {
  try {
    return readFileSync(`/proc/self/${name}`, 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whether /proc is mounted. */
export function hasProc(): boolean {
  return existsSync('/proc/self');
}

/** @param what can't be done without it */
export function procMissing(what: string): OverlayerError {
  return new OverlayerError('FailedPrecondition', `${what}: /proc is not mounted`, {
    hint: 'mount -t proc proc /proc',
  });
}

import { existsSync, readFileSync } from 'node:fs';
import { OverlayerError } from '../base/errors.js';
import { toOverlayerError } from './errno-code.js';

/** A file of /proc/self. @returns undefined where /proc is not mounted @throws OverlayerError */
export function readOwnProc(name: string): string | undefined {
  const path = `/proc/self/${name}`;
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw toOverlayerError(error, `Cannot read "${path}"`);
  }
}

/** Whether /proc is mounted. */
export function hasProc(): boolean {
  return existsSync('/proc/self');
}

/** @param what the operation that needs /proc */
export function procMissing(what: string): OverlayerError {
  return new OverlayerError('FailedPrecondition', `${what}: /proc is not mounted`, {
    hint: 'mount -t proc proc /proc',
  });
}

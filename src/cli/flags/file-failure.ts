import { type ErrorCode, OverlayerError } from '../../index.js';

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'NotFound',
  EACCES: 'PermissionDenied',
  EPERM: 'PermissionDenied',
  ENOSPC: 'ResourceExhausted',
  EDQUOT: 'ResourceExhausted',
  EIO: 'DataLoss',
};

/** What a file of the user's was refused with; any other error as it is. */
export function fileFailure(error: unknown, what: string): unknown {
  if (!(error instanceof Error) || !('syscall' in error)) return error;
  const { code: errno = 'unknown' } = error as NodeJS.ErrnoException;
  return new OverlayerError(CODES[errno] ?? 'FailedPrecondition', `${what}: ${errno}`, {
    cause: error,
    errno,
  });
}

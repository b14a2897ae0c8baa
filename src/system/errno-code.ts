import { type ErrorCode, OverlayerError } from '../base/errors.js';
import { displayPath } from '../base/path-bytes.js';
import { asSystemError, type SystemError } from './system.js';

const CODES: Readonly<Record<string, readonly [code: ErrorCode, reason: string, hint?: string]>> = {
  ENOSPC: [
    'ResourceExhausted',
    'no space is left on the file system',
    'free space, or choose another destination',
  ],
  EDQUOT: ['ResourceExhausted', 'the disk quota is reached'],
  EMFILE: ['ResourceExhausted', 'too many open files', 'raise the limit (ulimit -n)'],
  ENFILE: ['ResourceExhausted', 'too many open files in the system'],
  ENOMEM: ['ResourceExhausted', 'out of memory'],
  EFBIG: ['ResourceExhausted', 'the file is larger than the file system allows'],
  EPERM: ['PermissionDenied', 'not permitted', 'run as root, or use the rootless option'],
  EACCES: ['PermissionDenied', 'permission denied'],
  EROFS: ['FailedPrecondition', 'the file system is read-only'],
  EBUSY: ['FailedPrecondition', 'something is mounted there'],
  EXDEV: ['FailedPrecondition', 'it would cross file systems'],
  E2BIG: ['InvalidArgument', 'an extended attribute is too large'],
  ERANGE: ['InvalidArgument', 'the name of an extended attribute is too long'],
  ENAMETOOLONG: ['InvalidArgument', 'the name is too long for the file system'],
  ELOOP: ['InvalidArgument', 'too many symlinks on its way'],
  EMLINK: ['InvalidArgument', 'too many hard links'],
  ENOTSUP: ['Unimplemented', 'the file system does not support it'],
  EOPNOTSUPP: ['Unimplemented', 'the file system does not support it'],
  EIO: ['DataLoss', 'input/output error', 'look at the kernel log: the disk may be failing'],
  ENOENT: ['NotFound', 'it is gone', 'something else is changing the tree'],
  ENOTDIR: ['FailedPrecondition', 'part of its path is not a directory'],
  EEXIST: ['FailedPrecondition', 'something else made it', 'something else is changing the tree'],
  ENOTEMPTY: ['FailedPrecondition', 'something was put into it', 'something else is changing the tree'],
  EISDIR: ['FailedPrecondition', 'it became a directory', 'something else is changing the tree'],
  EINVAL: ['InvalidArgument', 'the kernel or the file system does not take it'],
  EAGAIN: ['Unavailable', 'its path keeps changing', 'something else is changing the tree'],
};

/** A refusal of the kernel in overlayer's words, while `subject`: an entry, or a sentence of its own. */
export function fromSystemError(
  error: SystemError,
  subject: { readonly path: string; readonly offset: number } | string,
): OverlayerError {
  const [code, reason, hint] = CODES[error.errno] ?? (['Internal', error.errno] as const);
  const { path: entry, offset } =
    typeof subject === 'string' ? { path: undefined, offset: undefined } : subject;
  const what = typeof subject === 'string' ? subject : `Cannot unpack entry "${displayPath(subject.path)}"`;
  return new OverlayerError(code, `${what}: ${reason} (${describeCall(error, what)}: ${error.errno})`, {
    hint,
    cause: error,
    errno: error.errno,
    entry,
    offset,
  });
}

/** The call, and what it was about where the sentence does not name that. */
function describeCall({ syscall, path }: SystemError, sentence: string): string {
  const shown = displayPath(path);
  return path === '' || sentence.includes(`${shown}"`) ? syscall : `${syscall} "${shown}"`;
}

/** A refusal of the kernel, through `System` or node:fs, in overlayer's words; any other error as it is. */
export function toOverlayerError(error: unknown, subject: string): unknown {
  const refused = error instanceof Error && 'syscall' in error;
  return refused ? fromSystemError(asSystemError(error, ''), subject) : error;
}

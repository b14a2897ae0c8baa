import { type ErrorCode, OverlayerError } from '../base/errors.js';
import { displayPath } from '../base/path-bytes.js';
import { asSystemError, type SystemError } from './system.js';

type Meaning = readonly [code: ErrorCode, reason: string, hint?: string];

const CHANGING = 'something else is changing the tree';

/** Code, reason and hint for each errno. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  ENOSPC: [
    'ResourceExhausted',
    'no space, or no inode, is left on the file system',
    'df and df -i show which of the two',
  ],
  EDQUOT: ['ResourceExhausted', 'the disk quota is reached'],
  EMFILE: ['ResourceExhausted', 'too many open files', 'raise the limit (ulimit -n)'],
  ENFILE: ['ResourceExhausted', 'too many open files in the system'],
  ENOMEM: ['ResourceExhausted', 'out of memory'],
  EFBIG: ['ResourceExhausted', 'the file is larger than the file system allows'],
  ENOLCK: ['FailedPrecondition', 'the file system gives no locks'],
  EPERM: ['PermissionDenied', 'not permitted'],
  EACCES: ['PermissionDenied', 'permission denied'],
  EROFS: ['FailedPrecondition', 'the file system is read-only'],
  EBUSY: ['FailedPrecondition', 'something is mounted there'],
  EXDEV: ['FailedPrecondition', 'it would cross file systems'],
  E2BIG: ['InvalidArgument', 'an extended attribute is too large'],
  ERANGE: ['InvalidArgument', 'the name of an extended attribute is too long'],
  ENAMETOOLONG: ['InvalidArgument', 'the name, or the path, is too long'],
  ELOOP: ['InvalidArgument', 'it is a symlink, or too many are on its way'],
  EMLINK: ['InvalidArgument', 'too many hard links'],
  ENOSYS: ['Unimplemented', 'the kernel does not have the call, or a sandbox (seccomp) hides it'],
  ENOTSUP: ['Unimplemented', 'the file system does not support it'],
  EOPNOTSUPP: ['Unimplemented', 'the file system does not support it'],
  EIO: ['DataLoss', 'input/output error', 'look at the kernel log: the disk may be failing'],
  ENOTCONN: ['Unavailable', 'the program that serves the file system (FUSE) has ended', 'mount it again'],
  ESTALE: ['Unavailable', 'the server of the file system does not know it any more', 'mount it again'],
  ENOENT: ['NotFound', 'there is no such file or directory'],
  ENOTDIR: ['FailedPrecondition', 'part of its path is not a directory'],
  EEXIST: ['FailedPrecondition', 'it is there already'],
  ENOTEMPTY: ['FailedPrecondition', 'it is not empty'],
  EISDIR: ['FailedPrecondition', 'it is a directory'],
  EINVAL: ['InvalidArgument', 'the kernel or the file system does not take it'],
  EAGAIN: ['Unavailable', 'its path keeps changing', CHANGING],
};

/** Meanings in a tree that only overlayer should change: another process has changed it. */
const MEANINGS_IN_TREE: Readonly<Record<string, Meaning>> = {
  ENOENT: ['NotFound', 'it is gone', CHANGING],
  EEXIST: ['FailedPrecondition', 'something else made it', CHANGING],
  ENOTEMPTY: ['FailedPrecondition', 'something was put into it', CHANGING],
  EISDIR: ['FailedPrecondition', 'it became a directory', CHANGING],
};

/** Calls that need privileges. The `rootless` option makes none of them. */
const PRIVILEGED = ['fchown', 'fchownat', 'mknodat', 'fsetxattr', 'setxattrat', 'fchmod', 'fchmodat2'];

/** The operation that failed. */
type Subject =
  /** A sentence: `Cannot open "x"`. */
  | string
  /** An archive entry that was being unpacked. */
  | { readonly path: string; readonly offset: number }
  /** A path in a tree that was being read. */
  | { readonly inTree: string };

/** Translates an error of a system call. */
export function fromSystemError(error: SystemError, subject: Subject): OverlayerError {
  const { errno, syscall } = error;
  const what = sentenceOf(subject);
  const isEntry = typeof subject === 'object' && 'offset' in subject;
  const inTree = typeof subject === 'object' ? MEANINGS_IN_TREE[errno] : undefined;
  const [code, reason, hint] = inTree ?? MEANINGS[errno] ?? (['Internal', errno] as const);
  const lacksPrivileges = isEntry && errno === 'EPERM' && PRIVILEGED.includes(syscall);
  return new OverlayerError(code, `${what}: ${reason} (${describeCall(error, what)}: ${errno})`, {
    hint: lacksPrivileges ? 'run as root, or use the rootless option' : hint,
    cause: error,
    errno,
    ...(isEntry ? { entry: subject.path, offset: subject.offset } : {}),
  });
}

/** Translates an error of `System` or node:fs; returns any other error as it is. */
export function toOverlayerError(error: unknown, subject: Subject): unknown {
  const refused = error instanceof Error && 'syscall' in error;
  return refused ? fromSystemError(asSystemError(error, ''), subject) : error;
}

function sentenceOf(subject: Subject): string {
  if (typeof subject === 'string') return subject;
  return 'inTree' in subject
    ? `Cannot read "${displayPath(subject.inTree)}" of the tree`
    : `Cannot unpack entry "${displayPath(subject.path)}"`;
}

/** The system call, with its path unless the sentence names it. */
function describeCall({ syscall, path }: SystemError, sentence: string): string {
  const shown = displayPath(path);
  return path === '' || sentence.includes(`${shown}"`) ? syscall : `${syscall} "${shown}"`;
}

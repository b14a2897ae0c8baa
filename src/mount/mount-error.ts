import { type ErrorCode, OverlayerError } from '../base/errors.js';
import { displayPath } from '../base/path-bytes.js';
import { fromSystemError } from '../system/errno-code.js';
import type { SystemError } from '../system/system.js';

type Reason = readonly [code: ErrorCode, reason: string, hint?: string];

const PRIVILEGES = 'mounting needs root, or a user namespace: unshare --user --map-root-user --mount';
const REFUSED_TO_ROOT =
  'root needs CAP_SYS_ADMIN to mount, and no sandbox (seccomp, AppArmor) that forbids it';
const KERNEL_LOG = 'the kernel log (dmesg) says more';

/** Errors that mean something special for a mount. `errno-code.ts` knows the others. */
const REASONS: Readonly<Record<string, Reason>> = {
  EPERM: ['PermissionDenied', 'not permitted', PRIVILEGES],
  EACCES: ['PermissionDenied', 'permission denied', PRIVILEGES],
  ENOENT: ['NotFound', 'no such file or directory'],
  ENOTDIR: ['FailedPrecondition', 'not a directory'],
  ENODEV: ['Unimplemented', 'the kernel does not have this file system', 'load its module (modprobe)'],
  ENOTBLK: ['InvalidArgument', 'the source is not a block device'],
  EBUSY: ['FailedPrecondition', 'it is in use'],
  ENOSPC: ['ResourceExhausted', 'there are too many mounts', 'sysctl fs.mount-max is the limit'],
  E2BIG: ['InvalidArgument', 'the options are longer than the kernel accepts'],
  EINVAL: ['InvalidArgument', 'the kernel refuses an option or a layer', KERNEL_LOG],
};

/** Errors that mean something special for overlayfs. */
const OVERLAY_REASONS: Readonly<Record<string, Reason>> = {
  EBUSY: [
    'FailedPrecondition',
    'one of its directories is in use',
    'another mount has it as upperdir or workdir',
  ],
  ELOOP: ['InvalidArgument', 'a layer is inside another one'],
  ESTALE: [
    'FailedPrecondition',
    'the upperdir was used with other layers before',
    'mount with the option index=off',
  ],
};

/** Errors that mean something special for EROFS. */
const EROFS_REASONS: Readonly<Record<string, Reason>> = {
  ENODEV: ['Unimplemented', 'the kernel does not have EROFS', 'load its module (modprobe erofs)'],
  EPERM: ['PermissionDenied', 'not permitted', 'the kernel mounts EROFS files for root only'],
};

const DAMAGED: Reason = ['DataLoss', 'the file is damaged', 'overlayer layer verify FILE'];

/** Errors that are about the EROFS file itself. `FILE` in a hint stands for its path. */
const EROFS_FILE_REASONS: Readonly<Record<string, Reason>> = {
  EINVAL: [
    'InvalidArgument',
    'it is damaged, or no EROFS file that this kernel can mount',
    'overlayer layer verify FILE; layers need Linux 6.4',
  ],
  EBADMSG: DAMAGED,
  EUCLEAN: DAMAGED,
  EIO: DAMAGED,
};

/**
 * Turns the kernel's refusal into an error with a reason and a hint.
 *
 * @param what a sentence, such as `Cannot mount overlay on "/mnt"`
 * @param options `type` and `source` of the mount; `messages`: the kernel's messages about it
 */
export function mountError(
  what: string,
  error: SystemError,
  mount: {
    readonly type?: string;
    readonly source?: string;
    readonly messages?: readonly string[];
  } = {},
): OverlayerError {
  const { messages = [] } = mount;
  const known = specialReason(error, mount) ?? REASONS[error.errno];
  if (known === undefined) return fromSystemError(error, what);
  const [code, reason, hint] = known;
  const about = error.path === '' ? '' : `"${displayPath(error.path)}": `;
  const says = messages.length === 0 ? '' : `; the kernel says: ${messages.map(displayPath).join('; ')}`;
  return new OverlayerError(code, `${what}: ${about}${reason} (${error.syscall}: ${error.errno})${says}`, {
    hint: hintFor(hint, messages)?.replace('FILE', displayPath(error.path)),
    cause: error,
    errno: error.errno,
  });
}

const NO_LOOP_DEVICE: Reason = [
  'FailedPrecondition',
  'the file needs a loop device',
  'load the module (modprobe loop), or give the container /dev/loop-control and the loop devices; Linux 6.12 needs none for files on a disk',
];

function specialReason(
  { errno, path }: SystemError,
  { type, source }: { readonly type?: string; readonly source?: string },
): Reason | undefined {
  if (type === 'overlay') return OVERLAY_REASONS[errno];
  if (type !== 'erofs') return undefined;
  if (path.startsWith('/dev/loop') && ['ENOENT', 'EPERM', 'EACCES', 'ENXIO'].includes(errno))
    return NO_LOOP_DEVICE;
  return (path === source ? EROFS_FILE_REASONS[errno] : undefined) ?? EROFS_REASONS[errno];
}

function hintFor(hint: string | undefined, messages: readonly string[]): string | undefined {
  if (hint === PRIVILEGES && process.geteuid!() === 0) return REFUSED_TO_ROOT;
  return hint === KERNEL_LOG && messages.length > 0 ? undefined : hint;
}

import { type ErrorCode, OverlayerError } from '../base/errors.js';
import { displayPath } from '../base/path-bytes.js';
import { fromSystemError } from '../system/errno-code.js';
import type { SystemError } from '../system/system.js';

type Reason = readonly [code: ErrorCode, reason: string, hint?: string];

const PRIVILEGES = 'mounting takes root, or a user namespace: unshare --user --map-root-user --mount';
const REFUSED_TO_ROOT =
  'root may mount with CAP_SYS_ADMIN, and where no sandbox (seccomp, AppArmor) refuses it';
const KERNEL_LOG = 'the kernel log (dmesg) says more';

/** What a refusal to mount means; of the others `errno-code.ts` knows. */
const REASONS: Readonly<Record<string, Reason>> = {
  EPERM: ['PermissionDenied', 'not permitted', PRIVILEGES],
  EACCES: ['PermissionDenied', 'permission denied', PRIVILEGES],
  ENOENT: ['NotFound', 'no such file or directory'],
  ENOTDIR: ['FailedPrecondition', 'not a directory'],
  ENODEV: ['Unimplemented', 'the kernel does not have this file system', 'load its module (modprobe)'],
  ENOTBLK: ['InvalidArgument', 'the source is not a block device'],
  EBUSY: ['FailedPrecondition', 'it is in use'],
  ENOSPC: ['ResourceExhausted', 'there are too many mounts', 'sysctl fs.mount-max is the limit'],
  E2BIG: ['InvalidArgument', 'the options are longer than the kernel takes'],
  EINVAL: ['InvalidArgument', 'the kernel does not take it', KERNEL_LOG],
};

/** What overlayfs alone says so. */
const OVERLAY_REASONS: Readonly<Record<string, Reason>> = {
  EBUSY: ['FailedPrecondition', 'a directory of it is in use', 'another mount has it as upperdir or workdir'],
  ELOOP: ['InvalidArgument', 'a layer is inside of another'],
  ESTALE: [
    'FailedPrecondition',
    'the upperdir was used with other layers before',
    'mount with the option index=off',
  ],
};

/**
 * A refusal of the kernel in overlayer's words.
 *
 * @param what a sentence, such as `Cannot mount overlay on "/mnt"`
 * @param type of the file system, where one was being mounted; `messages`: what the kernel had to say about it
 */
export function mountError(
  what: string,
  error: SystemError,
  { type, messages = [] }: { readonly type?: string; readonly messages?: readonly string[] } = {},
): OverlayerError {
  const known = (type === 'overlay' ? OVERLAY_REASONS[error.errno] : undefined) ?? REASONS[error.errno];
  if (known === undefined) return fromSystemError(error, what);
  const [code, reason, hint] = known;
  const about = error.path === '' ? '' : `"${displayPath(error.path)}": `;
  const says = messages.length === 0 ? '' : `; the kernel says: ${messages.map(displayPath).join('; ')}`;
  return new OverlayerError(code, `${what}: ${about}${reason} (${error.syscall}: ${error.errno})${says}`, {
    hint: hintFor(hint, messages),
    cause: error,
    errno: error.errno,
  });
}

function hintFor(hint: string | undefined, messages: readonly string[]): string | undefined {
  if (hint === PRIVILEGES && process.geteuid!() === 0) return REFUSED_TO_ROOT;
  return hint === KERNEL_LOG && messages.length > 0 ? undefined : hint;
}

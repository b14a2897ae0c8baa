import type { ErrorCode } from '../index.js';

/** gRPC's status numbers: the command line and the daemon report the same error by the same number. */
const EXIT_CODES = {
  InvalidArgument: 3,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
  /** An interrupted command reports its signal instead: see `Interruption`. */
  Cancelled: 130,
} satisfies Record<ErrorCode, number>;

/** A check of `explore --ci` failed. */
export const CHECK_FAILED_EXIT_CODE = 1;
/** The form of the command line is wrong: a name is unknown, something is missing, or options exclude each other. */
export const USAGE_EXIT_CODE = 2;

export function exitCode(code: ErrorCode): number {
  return EXIT_CODES[code];
}

export const EXIT_CODE_HELP = `Exit codes:
  0    success
  ${CHECK_FAILED_EXIT_CODE}    explore: the image fails a check (--ci, --max-wasted …)
  ${USAGE_EXIT_CODE}    wrong usage: unknown, missing or conflicting options or arguments
  ${EXIT_CODES.InvalidArgument}    InvalidArgument: a value, an archive or an image is invalid
  ${EXIT_CODES.NotFound}    NotFound: the file, image, blob or snapshot does not exist
  ${EXIT_CODES.AlreadyExists}    AlreadyExists: the name or key is in use
  ${EXIT_CODES.PermissionDenied}    PermissionDenied: the operating system refused access
  ${EXIT_CODES.ResourceExhausted}    ResourceExhausted: a limit is exceeded, or the disk is full
  ${EXIT_CODES.FailedPrecondition}    FailedPrecondition: not possible in this state, such as a destination
       that is not empty, a mounted snapshot, or a missing kernel feature
  ${EXIT_CODES.Unimplemented}   Unimplemented: valid input that overlayer does not support
  ${EXIT_CODES.Internal}   Internal: a bug in overlayer
  ${EXIT_CODES.Unavailable}   Unavailable: try again later
  ${EXIT_CODES.DataLoss}   DataLoss: bytes are damaged or missing, or a digest differs
  ${EXIT_CODES.Unauthenticated}   Unauthenticated: the registry refused the credentials
  130  interrupted (SIGINT)
  143  terminated (SIGTERM)`;

import type { ErrorCode } from '../index.js';

/** gRPC's status numbers, so that the command line and the daemon say the same thing by the same number. */
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
  /** A cancelled command was interrupted, and says by which signal: see `Interruption`. */
  Cancelled: 130,
} satisfies Record<ErrorCode, number>;

/** The command line itself is wrong. */
export const USAGE_EXIT_CODE = 2;

export function exitCode(code: ErrorCode): number {
  return EXIT_CODES[code];
}

export const EXIT_CODE_HELP = `Exit codes:
  0    done
  ${USAGE_EXIT_CODE}    the command line is wrong
  ${EXIT_CODES.InvalidArgument}    InvalidArgument: an option's value or the archive makes no sense
  ${EXIT_CODES.NotFound}    NotFound: no such file or snapshot
  ${EXIT_CODES.AlreadyExists}    AlreadyExists: the key is taken, or something else made the destination meanwhile
  ${EXIT_CODES.PermissionDenied}    PermissionDenied: the system refused
  ${EXIT_CODES.ResourceExhausted}    ResourceExhausted: a limit was reached, or the disk is full
  ${EXIT_CODES.FailedPrecondition}    FailedPrecondition: the destination is not empty, the snapshot has children, or the system can't do this
  ${EXIT_CODES.Unimplemented}   Unimplemented: a valid form that overlayer does not read
  ${EXIT_CODES.Internal}   Internal: a defect of overlayer
  ${EXIT_CODES.Unavailable}   Unavailable: try again
  ${EXIT_CODES.DataLoss}   DataLoss: damaged bytes, or not the digest that was asked for
  ${EXIT_CODES.Unauthenticated}   Unauthenticated: the registry wants other credentials
  130  interrupted (SIGINT)
  143  terminated (SIGTERM)`;

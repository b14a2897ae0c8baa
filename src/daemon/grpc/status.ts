import { type StatusObject, status } from '@grpc/grpc-js';
import { type ErrorCode, OverlayerError } from '../../base/errors.js';

/** The statuses of error codes, by containerd's mapping (errdefs, errgrpc). */
const STATUSES = {
  InvalidArgument: status.INVALID_ARGUMENT,
  NotFound: status.NOT_FOUND,
  AlreadyExists: status.ALREADY_EXISTS,
  PermissionDenied: status.PERMISSION_DENIED,
  ResourceExhausted: status.RESOURCE_EXHAUSTED,
  FailedPrecondition: status.FAILED_PRECONDITION,
  Cancelled: status.CANCELLED,
  Unimplemented: status.UNIMPLEMENTED,
  DataLoss: status.DATA_LOSS,
  Unavailable: status.UNAVAILABLE,
  Unauthenticated: status.UNAUTHENTICATED,
  Internal: status.INTERNAL,
} satisfies Record<ErrorCode, status>;

const CODES = new Map<status, ErrorCode>(
  Object.entries(STATUSES).map(([code, number]) => [number, code as ErrorCode]),
);

/** Most characters of a message. It is sent in a header, and may contain a key of any length. */
const MAX_DETAILS = 4096;

/** The status for an error. Errors other than `OverlayerError` are defects. */
export function toStatus(error: unknown): Pick<StatusObject, 'code' | 'details'> {
  if (!OverlayerError.is(error))
    return { code: status.INTERNAL, details: String(error).slice(0, MAX_DETAILS) };
  const { code, message, hint } = error;
  const details = hint === undefined ? message : `${message}: ${hint}`;
  return { code: STATUSES[code], details: details.slice(0, MAX_DETAILS) };
}

/** Converts a status of another daemon. Other errors are returned as they are. */
export function fromStatus(error: unknown, subject: string): unknown {
  if (!(error instanceof Error) || !('details' in error)) return error;
  const { code, details } = error as Error & StatusObject;
  return new OverlayerError(CODES.get(code) ?? 'Internal', `${subject}: ${details}`, { cause: error });
}

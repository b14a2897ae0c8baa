import { type StatusObject, status } from '@grpc/grpc-js';
import { type ErrorCode, OverlayerError } from '../../base/errors.js';

/** containerd's own mapping (errdefs, errgrpc). */
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

/** Of a message: it goes into a header, and may name a key as long as the caller likes. */
const MAX_DETAILS = 4096;

/** A failure as the caller gets it. Anything but an OverlayerError is a defect of ours. */
export function toStatus(error: unknown): Pick<StatusObject, 'code' | 'details'> {
  if (!OverlayerError.is(error))
    return { code: status.INTERNAL, details: String(error).slice(0, MAX_DETAILS) };
  const { code, message, hint } = error;
  const details = hint === undefined ? message : `${message}: ${hint}`;
  return { code: STATUSES[code], details: details.slice(0, MAX_DETAILS) };
}

/** What another daemon has answered; any other error as it is. */
export function fromStatus(error: unknown, subject: string): unknown {
  if (!(error instanceof Error) || !('details' in error)) return error;
  const { code, details } = error as Error & StatusObject;
  return new OverlayerError(CODES.get(code) ?? 'Internal', `${subject}: ${details}`, { cause: error });
}

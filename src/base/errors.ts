/**
 * What went wrong, in the words of containerd's errdefs. The same codes are the command line's exit codes
 * (`src/cli/exit-code.ts`) and, later, the daemon's gRPC statuses.
 */
export type ErrorCode =
  /** Invalid options, or a malformed archive or document. */
  | 'InvalidArgument'
  | 'NotFound'
  | 'AlreadyExists'
  | 'PermissionDenied'
  /** A limit was reached (`Limits`), or the disk is full. */
  | 'ResourceExhausted'
  | 'FailedPrecondition'
  /** The caller's signal was aborted. */
  | 'Cancelled'
  /** A valid form that overlayer does not read (xz, bzip2, multi-volume archives …). */
  | 'Unimplemented'
  /** Bytes are damaged: wrong digest, truncated or corrupt stream. */
  | 'DataLoss'
  | 'Unavailable'
  /** A registry requires credentials, or refuses those that it got. */
  | 'Unauthenticated'
  | 'Internal';

/** The data of an `OverlayerError` beside its code and message. */
export interface ErrorDetails {
  /** What to do about it, for people. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  /** Name of the archive entry at fault, as the archive spells it. */
  readonly entry?: string | undefined;
  /**
   * Where the entry's header (or the fault) begins, in bytes of the uncompressed archive; of what can't be decompressed,
   * in the compressed bytes.
   */
  readonly offset?: number | undefined;
  /** The file system's or the kernel's own word for it (`ENOSPC`, `EACCES` …). */
  readonly errno?: string | undefined;
  /** For a digest that does not match: what was asked for and what came. */
  readonly expected?: string | undefined;
  readonly actual?: string | undefined;
  /** A cause that callers handle by itself, where other errors have the same code. */
  readonly reason?: ErrorReason | undefined;
}

/** `needs-lowers`: the layer was unpacked before its lower layers were there, and it relies on them. */
export type ErrorReason = 'needs-lowers';

const BRAND = Symbol.for('overlayer.error');

/** The one error class. Match on `code`, never on the message. */
export class OverlayerError extends Error {
  override readonly name = 'OverlayerError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly entry: string | undefined;
  readonly offset: number | undefined;
  readonly errno: string | undefined;
  readonly expected: string | undefined;
  readonly actual: string | undefined;
  readonly reason: ErrorReason | undefined;
  readonly [BRAND] = true;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
    this.entry = details.entry;
    this.offset = details.offset;
    this.errno = details.errno;
    this.expected = details.expected;
    this.actual = details.actual;
    this.reason = details.reason;
  }

  /** True for an error of any copy of this package in the process (two copies are common in node_modules). */
  static is(value: unknown): value is OverlayerError {
    return typeof value === 'object' && value !== null && BRAND in value;
  }
}

/** Whether it is one of overlayer's errors, with one of these codes. */
export function isCode(error: unknown, ...codes: readonly ErrorCode[]): error is OverlayerError {
  return OverlayerError.is(error) && codes.includes(error.code);
}

/** An error as plain data: what crosses from a worker thread to the caller. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: Omit<ErrorDetails, 'cause'>;
  readonly cause?: string | undefined;
}

export function toPlainError(error: unknown): PlainError {
  if (OverlayerError.is(error)) {
    const { code, message, hint, entry, offset, errno, expected, actual, reason } = error;
    const cause = error.cause === undefined ? undefined : String(error.cause);
    return { code, message, details: { hint, entry, offset, errno, expected, actual, reason }, cause };
  }
  const stack = error instanceof Error ? error.stack : undefined;
  return { code: 'Internal', message: String(error), details: {}, cause: stack };
}

export function fromPlainError(plain: PlainError): OverlayerError {
  return new OverlayerError(plain.code, plain.message, { ...plain.details, cause: plain.cause });
}

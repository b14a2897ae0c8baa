/**
 * The kind of a failure, with the names of containerd's errdefs. Each code has an exit code of the command line
 * (`src/cli/exit-code.ts`) and a gRPC status of the daemon (`src/daemon/grpc/status.ts`).
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
  /** Advice for people: the way to fix or avoid the failure. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  /** Name of the archive entry at fault, as the archive spells it. */
  readonly entry?: string | undefined;
  /**
   * Offset of the entry's header or of the fault, in bytes of the uncompressed archive. For a failure of the
   * decompression, in bytes of the compressed stream.
   */
  readonly offset?: number | undefined;
  /** The kernel's name of the error (`ENOSPC`, `EACCES` …). */
  readonly errno?: string | undefined;
  /** The expected digest or size, and the actual one, when they differ. */
  readonly expected?: string | undefined;
  readonly actual?: string | undefined;
  /**
   * The option or argument at fault, by its name in the library: `digest`, `signal`; a limit, as `maxEntries`; a field of
   * `ConfigChanges`, as `exposedPorts`. The message or the hint says the same name.
   */
  readonly option?: string | undefined;
  /** A cause that callers handle separately from other errors with the same code. */
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
  readonly option: string | undefined;
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
    this.option = details.option;
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

/** An error as plain data, for the way from a worker thread to the caller. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: Omit<ErrorDetails, 'cause'>;
  readonly cause?: string | undefined;
}

export function toPlainError(error: unknown): PlainError {
  if (OverlayerError.is(error)) {
    const { code, message, hint, entry, offset, errno, expected, actual, option, reason } = error;
    const cause = error.cause === undefined ? undefined : String(error.cause);
    const details = { hint, entry, offset, errno, expected, actual, option, reason };
    return { code, message, details, cause };
  }
  const stack = error instanceof Error ? error.stack : undefined;
  return { code: 'Internal', message: String(error), details: {}, cause: stack };
}

export function fromPlainError(plain: PlainError): OverlayerError {
  return new OverlayerError(plain.code, plain.message, { ...plain.details, cause: plain.cause });
}

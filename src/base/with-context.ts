import { OverlayerError } from './errors.js';

interface ErrorContext {
  /** Stands before the message: the object that the work was for. */
  readonly prefix?: string | undefined;
  /** Stands behind the hint. */
  readonly hint?: string | undefined;
}

/** The error with what its reader has to know besides. An error that is not an `OverlayerError` stays as it is. */
export function withContext(error: unknown, { prefix, hint }: ErrorContext): unknown {
  if (!OverlayerError.is(error) || (prefix === undefined && hint === undefined)) return error;
  const hints = [error.hint, hint].filter((text) => text !== undefined);
  return new OverlayerError(
    error.code,
    prefix === undefined ? error.message : `${prefix}: ${error.message}`,
    {
      ...error,
      cause: prefix === undefined ? error.cause : error,
      hint: hints.length === 0 ? undefined : hints.join('; '),
    },
  );
}

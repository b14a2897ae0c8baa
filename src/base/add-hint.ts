import { OverlayerError } from './errors.js';

/** The error, with something more that its reader has to know. An error that is not ours stays as it is. */
export function addHint(error: unknown, more: string | undefined): unknown {
  if (more === undefined || !OverlayerError.is(error)) return error;
  const { code, message, hint, cause } = error;
  return new OverlayerError(code, message, {
    ...error,
    cause,
    hint: hint === undefined ? more : `${hint}; ${more}`,
  });
}

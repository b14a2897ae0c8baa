import { OverlayerError } from './errors.js';

/** The same failure, with the object that it is about in front of its message. */
export function inContext(context: string, cause: OverlayerError): OverlayerError {
  const { code, message, hint, entry, offset, errno, expected, actual, reason } = cause;
  const details = { hint, entry, offset, errno, expected, actual, reason, cause };
  return new OverlayerError(code, `${context}: ${message}`, details);
}

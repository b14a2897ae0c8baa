import { type ErrorCode, OverlayerError } from '../../base/errors.js';

/** Whether it is one of overlayer's errors, with one of these codes. */
export function isCode(error: unknown, ...codes: readonly ErrorCode[]): error is OverlayerError {
  return OverlayerError.is(error) && codes.includes(error.code);
}

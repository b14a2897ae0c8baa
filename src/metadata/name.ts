import { OverlayerError } from '../base/errors.js';

/** Fits into a key of the metadata store. */
const MAX_NAME_BYTES = 1024;

/**
 * @param what the object with the name, for messages: `Key of a snapshot`, `Ref`
 * @param maxBytes bound when the name is only a part of a key
 * @throws OverlayerError `InvalidArgument` for an invalid name
 */
export function checkName(what: string, name: string, maxBytes = MAX_NAME_BYTES): void {
  const wrong = faultOf(name, maxBytes);
  if (wrong !== undefined)
    throw new OverlayerError('InvalidArgument', `${what} ${wrong}: ${JSON.stringify(name)}`);
}

/** Whether a lookup makes sense: an invalid name does not exist, and may not be a valid key. */
export function canBeName(name: string): boolean {
  return faultOf(name, MAX_NAME_BYTES) === undefined;
}

function faultOf(name: string, maxBytes: number): string | undefined {
  return typeof name !== 'string' || name === ''
    ? 'is empty'
    : !name.isWellFormed() || /\p{Cc}/u.test(name)
      ? 'has characters that no name can have'
      : Buffer.byteLength(name) > maxBytes
        ? `is longer than ${maxBytes} bytes`
        : undefined;
}

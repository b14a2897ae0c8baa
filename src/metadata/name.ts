import { OverlayerError } from '../base/errors.js';

/** A key of the metadata store has room for this. */
const MAX_NAME_BYTES = 1024;

/**
 * @param what has the name, for the message: `Key of a snapshot`, `Ref`
 * @param maxBytes where it is only a part of a key
 * @throws OverlayerError `InvalidArgument` for what can't be a name
 */
export function checkName(what: string, name: string, maxBytes = MAX_NAME_BYTES): void {
  const wrong = faultOf(name, maxBytes);
  if (wrong !== undefined)
    throw new OverlayerError('InvalidArgument', `${what} ${wrong}: ${JSON.stringify(name)}`);
}

/** What can't be a name is nowhere to be found, and a store may not even be able to look for it. */
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

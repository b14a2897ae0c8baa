import { OverlayerError } from '../base/errors.js';

/** A key of the metadata store has room for this. */
const MAX_NAME_BYTES = 1024;

/** @throws OverlayerError `InvalidArgument` for what can't be a key, a name or a parent */
export function checkSnapshotName(name: string): void {
  const wrong =
    typeof name !== 'string' || name === ''
      ? 'is empty'
      : !name.isWellFormed() || /\p{Cc}/u.test(name)
        ? 'has characters that no name can have'
        : Buffer.byteLength(name) > MAX_NAME_BYTES
          ? `is longer than ${MAX_NAME_BYTES} bytes`
          : undefined;
  if (wrong !== undefined)
    throw new OverlayerError('InvalidArgument', `Name of a snapshot ${wrong}: ${JSON.stringify(name)}`);
}

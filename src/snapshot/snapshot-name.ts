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

/** For a snapshot that is soon to be `name`, or gone: in containerd's form (`extract-<nanoseconds>-<random> <chainID>`), by which its users know what it is. */
export function temporaryKey(name: string): string {
  const nanoseconds = process.hrtime.bigint() % 1_000_000_000n;
  return `extract-${nanoseconds}-${Math.random().toString(36).slice(2, 8)} ${name}`;
}

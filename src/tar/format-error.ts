import { HeaderError } from './header.js';
import { NumericError } from './numeric.js';
import { PaxError } from './pax.js';
import { SparseError } from './sparse.js';

/** A fault of the archive, as the readers of its parts throw it: without its place. */
export function isFormatError(error: unknown): error is Error {
  return (
    error instanceof HeaderError ||
    error instanceof PaxError ||
    error instanceof SparseError ||
    error instanceof NumericError
  );
}

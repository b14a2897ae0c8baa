import { OverlayerError } from '../../base/errors.js';
import { inContext } from '../../base/in-context.js';
import type { Digest } from '../../oci/digest.js';

/** What fails inside of a layer of an image says which layer it is. */
export function layerFailure(digest: Digest, error: unknown): unknown {
  const isInside = OverlayerError.is(error) && error.offset !== undefined;
  return isInside ? inContext(`Layer ${digest}`, error) : error;
}

import { isCode, OverlayerError } from '../../base/errors.js';
import { withContext } from '../../base/with-context.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import { isNonDistributable } from '../../oci/media-types.js';
import type { ImageSource, OpenBlob, OpenBlobOptions } from './image-source.js';

/**
 * The bytes of a layer. A non-distributable layer is often absent. The URLs in its descriptor are not followed: an
 * attacker could choose them (CVE-2020-15157).
 *
 * @throws OverlayerError as `ImageSource.open`
 */
export async function openLayer(
  source: ImageSource,
  layer: Descriptor,
  options: OpenBlobOptions,
): Promise<OpenBlob> {
  try {
    return await source.open(layer, options);
  } catch (cause) {
    const { mediaType, digest } = layer;
    if (!isNonDistributable(mediaType) || !isCode(cause, 'NotFound')) throw cause;
    throw new OverlayerError('NotFound', `Layer ${digest} is not distributed with its image: ${mediaType}`, {
      hint: 'put it into the content store with overlayer content ingest: overlayer does not follow the URLs of a manifest',
      cause,
    });
  }
}

/** An error from inside a layer, with the layer's digest in its message. Other errors name the layer themselves. */
export function inLayer(digest: Digest, error: unknown): unknown {
  const isInside = OverlayerError.is(error) && error.offset !== undefined;
  return isInside ? withContext(error, { prefix: `Layer ${digest}` }) : error;
}

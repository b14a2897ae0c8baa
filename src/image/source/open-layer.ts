import { OverlayerError } from '../../base/errors.js';
import type { Descriptor } from '../../oci/descriptor.js';
import { isNonDistributable } from '../../oci/media-types.js';
import type { ImageSource, OpenBlob, OpenBlobOptions } from './image-source.js';
import { isCode } from './is-code.js';

/**
 * The bytes of a layer. One that is not to be distributed is often not there; the URLs that say where it is are the
 * manifest's to choose, and are not followed (CVE-2020-15157).
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
    throw new OverlayerError('NotFound', `Layer ${digest} is to be had elsewhere only: ${mediaType}`, {
      hint: 'put it into the content store yourself (overlayer content ingest): URLs in a manifest are not followed',
      cause,
    });
  }
}

import { createHash } from 'node:crypto';
import type { AbortableOptions } from '../../base/abort.js';
import type { ContentStore } from '../../content/content-store.js';
import type { Descriptor } from '../../oci/descriptor.js';
import { checkDigest, otherSize } from '../source/blob-bytes.js';

/**
 * Reads a blob and compares it with its descriptor. A wrong digest is reported after the last byte.
 *
 * @throws OverlayerError `NotFound`; `DataLoss` when they are not what the descriptor says
 */
export async function* readVerified(
  content: ContentStore,
  descriptor: Descriptor,
  options: AbortableOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  const { size } = await content.stat(descriptor.digest);
  if (size !== descriptor.size) throw otherSize(descriptor, String(size));
  const sha256 = createHash('sha256');
  for await (const chunk of content.read(descriptor.digest, options)) {
    sha256.update(chunk);
    yield chunk;
  }
  checkDigest(descriptor, `sha256:${sha256.digest('hex')}`);
}

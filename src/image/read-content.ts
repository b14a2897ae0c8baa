import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import type { AbortableOptions } from '../base/abort.js';
import { OverlayerError } from '../base/errors.js';
import type { ContentStore } from '../content/content-store.js';
import type { Descriptor } from '../oci/descriptor.js';
import { MAX_DOCUMENT_BYTES } from '../oci/document.js';

/**
 * A blob's bytes, compared with its descriptor on their way: all of them are given before an error tells of a digest.
 *
 * @throws OverlayerError `NotFound`; `DataLoss` when they are not what the descriptor says
 */
export async function* readVerified(
  content: ContentStore,
  { digest, size }: Descriptor,
  options: AbortableOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  const found = await content.stat(digest);
  if (found.size !== size)
    throw new OverlayerError('DataLoss', `Blob ${digest} has ${found.size} bytes, and should have ${size}`);
  const sha256 = createHash('sha256');
  for await (const chunk of content.read(digest, options)) {
    sha256.update(chunk);
    yield chunk;
  }
  const actual = `sha256:${sha256.digest('hex')}`;
  if (actual !== digest)
    throw new OverlayerError('DataLoss', `Blob ${digest} is damaged`, {
      expected: digest,
      actual,
      hint: 'delete the blob, and get the image again',
    });
}

/**
 * A manifest, an index or a config: all of it, verified.
 *
 * @throws OverlayerError as `readVerified`; `ResourceExhausted` past `MAX_DOCUMENT_BYTES`
 */
export async function readContentDocument(
  content: ContentStore,
  descriptor: Descriptor,
  options: AbortableOptions = {},
): Promise<Uint8Array> {
  if (descriptor.size > MAX_DOCUMENT_BYTES)
    throw new OverlayerError(
      'ResourceExhausted',
      `Cannot read document ${descriptor.digest}: ${descriptor.size} bytes, of ${MAX_DOCUMENT_BYTES} at most`,
    );
  return await buffer(readVerified(content, descriptor, options));
}

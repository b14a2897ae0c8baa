import { iterateSource } from '../../src/base/byte-source.js';
import type { ImageSource, OpenBlobOptions } from '../../src/index.js';
import type { Descriptor } from '../../src/oci/descriptor.js';

/** All bytes of a blob that a source opens as bytes. */
export async function read(
  source: ImageSource,
  blob: Descriptor,
  options?: OpenBlobOptions,
): Promise<{ readonly bytes: Buffer; readonly offset: number }> {
  const { bytes, offset } = await source.open(blob, options);
  if (typeof bytes === 'string' || bytes instanceof URL || 'path' in bytes) throw new Error('a file');
  const chunks: Uint8Array[] = [];
  for await (const chunk of iterateSource(bytes)) chunks.push(chunk);
  return { bytes: Buffer.concat(chunks), offset };
}

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { AbortableOptions } from '../base/abort.js';
import { type ByteSource, readSource } from '../base/byte-source.js';
import { OverlayerError } from '../base/errors.js';
import type { LayerSource } from '../layer/options.js';
import type { Descriptor } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import { MAX_DOCUMENT_BYTES } from '../oci/document.js';
import type { ImageSource } from './image-source.js';

const FILE_PIECE_BYTES = 1024 ** 2;

/** The same bytes, whether they are those of a file or come from elsewhere. */
export function bytesOf(source: LayerSource): ByteSource {
  if (typeof source === 'string') return createReadStream(source, { highWaterMark: FILE_PIECE_BYTES });
  if (!('path' in source && 'offset' in source)) return source;
  const { path, offset, length } = source;
  if (length === 0) return new Uint8Array();
  return createReadStream(path, {
    start: offset,
    end: offset + length - 1,
    highWaterMark: FILE_PIECE_BYTES,
  });
}

/**
 * A small blob of a source, whole and verified.
 *
 * @throws OverlayerError
 *   - `DataLoss`: its size or digest is another
 *   - `ResourceExhausted`: more than any document may have
 */
export async function readDocument(
  source: ImageSource,
  descriptor: Descriptor,
  { signal }: AbortableOptions = {},
): Promise<Uint8Array> {
  const { digest, size } = descriptor;
  if (size > MAX_DOCUMENT_BYTES)
    throw new OverlayerError(
      'ResourceExhausted',
      `Cannot read ${digest}: ${size} bytes, of ${MAX_DOCUMENT_BYTES} at most`,
    );
  const { bytes } = await source.open(descriptor, { signal });
  const reader = readSource(bytesOf(bytes));
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.next();
      if (done || value === undefined) break;
      length += value.length;
      if (length > size) throw otherSize(descriptor, 'more');
      chunks.push(value);
    }
  } catch (error) {
    reader.cancel();
    throw error;
  }
  if (length < size) throw otherSize(descriptor, String(length));
  const document = Buffer.concat(chunks);
  checkDigest(descriptor, sha256(document));
  return document;
}

export function sha256(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** @throws OverlayerError `DataLoss` */
export function checkDigest({ digest }: Descriptor, actual: Digest): void {
  if (digest === actual) return;
  throw new OverlayerError('DataLoss', `A blob has another digest: expected ${digest}, got ${actual}`, {
    hint: 'the source is damaged, or gives something else than was asked for',
    expected: digest,
    actual,
  });
}

export function otherSize({ digest, size }: Descriptor, actual: string): OverlayerError {
  return new OverlayerError(
    'DataLoss',
    `Blob ${digest} has another size: expected ${size} bytes, got ${actual}`,
    {
      hint: 'the source is damaged, or gives something else than was asked for',
      expected: String(size),
      actual,
    },
  );
}

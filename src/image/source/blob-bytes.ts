import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { AbortableOptions } from '../../base/abort.js';
import { type ByteSource, iterateSource, readSource } from '../../base/byte-source.js';
import { isCode, OverlayerError } from '../../base/errors.js';
import { withContext } from '../../base/with-context.js';
import { isFileRange, pathOf } from '../../layer/open-source.js';
import type { FileRange, LayerSource } from '../../layer/options.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import { MAX_DOCUMENT_BYTES } from '../../oci/document.js';
import { isNonDistributable } from '../../oci/media-types.js';
import { toOverlayerError } from '../../system/errno-code.js';
import type { ImageSource, OpenBlob, OpenBlobOptions } from './image-source.js';

const FILE_PIECE_BYTES = 1024 ** 2;

/** The bytes of a source, also where it is a file. Each chunk stays valid until the next one is requested. */
export function bytesOf(source: LayerSource): ByteSource {
  if (source instanceof LentBytes) return source.lent;
  if (source instanceof URL) return bytesOf(pathOf(source));
  if (!isFile(source)) return source;
  return readRange(typeof source === 'string' ? { path: source, offset: 0, length: Infinity } : source);
}

/** Reads into one buffer: a stream allocates one for each chunk, hundreds of megabytes before a collection. */
async function* readRange({ path, offset, length }: FileRange): AsyncGenerator<Uint8Array, void, void> {
  const buffer = Buffer.allocUnsafe(FILE_PIECE_BYTES);
  const file = await open(path).catch((error: unknown) => {
    throw toOverlayerError(error, `Cannot read "${path}"`);
  });
  try {
    for (let at = 0; at < length; ) {
      const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, length - at), offset + at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

/** Reads all bytes into memory. The caller bounds them. */
export async function readWhole(source: ByteSource): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of iterateSource(source)) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** Whether worker threads can read the source without this thread. */
export function isFile(source: LayerSource): source is string | URL | FileRange {
  return typeof source === 'string' || source instanceof URL || isFileRange(source);
}

/**
 * Reads a whole document of a source into memory and verifies it.
 *
 * @throws OverlayerError
 *   - `DataLoss`: its size or digest differs from the descriptor's
 *   - `ResourceExhausted`: it exceeds `MAX_DOCUMENT_BYTES`
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
      chunks.push(Buffer.from(value));
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

/** Reads a blob and compares it with its descriptor. @throws OverlayerError `DataLoss`; as `ImageSource.open` */
export async function verifyBlob(
  source: ImageSource,
  descriptor: Descriptor,
  { signal }: AbortableOptions,
): Promise<void> {
  const { bytes } = await source.open(descriptor, { signal });
  for await (const _ of verifiedBytes(bytes, descriptor)) signal?.throwIfAborted();
}

/**
 * The bytes of a blob, which are compared with its descriptor. A wrong digest is reported after the last byte.
 *
 * @throws OverlayerError `DataLoss`
 */
export async function* verifiedBytes(
  source: LayerSource,
  descriptor: Descriptor,
): AsyncGenerator<Uint8Array, void, void> {
  const hash = createHash('sha256');
  let length = 0;
  for await (const chunk of iterateSource(bytesOf(source))) {
    length += chunk.length;
    if (length > descriptor.size) throw otherSize(descriptor, 'more');
    hash.update(chunk);
    yield chunk;
  }
  if (length < descriptor.size) throw otherSize(descriptor, String(length));
  checkDigest(descriptor, `sha256:${hash.digest('hex')}`);
}

export function sha256(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** @throws OverlayerError `DataLoss` */
export function checkDigest({ digest }: Descriptor, actual: Digest): void {
  if (digest === actual) return;
  throw new OverlayerError('DataLoss', `A blob has another digest: expected ${digest}, got ${actual}`, {
    hint: 'the source is damaged, or returns other bytes',
    expected: digest,
    actual,
  });
}

export function otherSize({ digest, size }: Descriptor, actual: string): OverlayerError {
  return new OverlayerError(
    'DataLoss',
    `Blob ${digest} has another size: expected ${size} bytes, got ${actual}`,
    {
      hint: 'the source is damaged, or returns other bytes',
      expected: String(size),
      actual,
    },
  );
}

/** Bytes that a source lends: each chunk stays valid until the next one is requested. */
export interface Lent extends AsyncIterable<Uint8Array> {
  destroy(): void;
}

/** Iterates over copies, which stay valid. A consumer that needs each chunk only until the next takes `lent` (`bytesOf`). */
export class LentBytes implements AsyncIterable<Uint8Array> {
  readonly lent: Lent;

  constructor(lent: Lent) {
    this.lent = lent;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    for await (const piece of this.lent) yield Buffer.from(piece);
  }

  /** No consumer reads on. */
  destroy(): void {
    this.lent.destroy();
  }
}

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

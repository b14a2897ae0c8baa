import { createHash } from 'node:crypto';
import type { AbortableOptions } from '../../base/abort.js';
import { iterateSource } from '../../base/byte-source.js';
import { OverlayerError } from '../../base/errors.js';
import type { FileRange } from '../../layer/options.js';
import type { Digest } from '../../oci/digest.js';
import { MAX_DOCUMENT_BYTES } from '../../oci/document.js';
import { bytesOf } from './blob-bytes.js';
import type { PassedOver, SourceImage } from './image-source.js';

/** A file of an image layout or an image archive, in memory or in a file. */
export interface LocalFile {
  readonly bytes: Uint8Array | FileRange;
  /** Known when the bytes have been hashed already. */
  readonly digest?: Digest | undefined;
}

/** The images of a layout or an archive, and the files that hold their blobs. */
export interface LocalImages {
  /** As the index or the manifest lists them. */
  readonly images: readonly SourceImage[];
  readonly passedOver: readonly PassedOver[];
  findBlob(digest: Digest): LocalFile | undefined;
}

export function sizeOf({ bytes }: LocalFile): number {
  return bytes.length;
}

/** The bytes from `start` to `end`, which are both within the file. */
export function cutFile({ bytes }: LocalFile, start: number, end: number): Uint8Array | FileRange {
  if (bytes instanceof Uint8Array) return bytes.subarray(start, end);
  return { path: bytes.path, offset: bytes.offset + start, length: end - start };
}

/**
 * Reads a document into memory.
 *
 * @throws OverlayerError `ResourceExhausted` past `MAX_DOCUMENT_BYTES` (CVE-2023-25153), before anything is read
 */
export async function readWholeFile(file: LocalFile, what: string): Promise<Uint8Array> {
  const size = sizeOf(file);
  if (size > MAX_DOCUMENT_BYTES)
    throw new OverlayerError(
      'ResourceExhausted',
      `Cannot read the ${what}: ${size} bytes, of ${MAX_DOCUMENT_BYTES} at most`,
    );
  return await readAll(file);
}

/** Reads at most `length` bytes from the file's start. */
export async function readStart(file: LocalFile, length: number): Promise<Uint8Array> {
  const bytes = cutFile(file, 0, Math.min(length, sizeOf(file)));
  return await readAll({ bytes });
}

export async function hashFile(file: LocalFile, options: AbortableOptions = {}): Promise<Digest> {
  if (file.digest !== undefined) return file.digest;
  const sha256 = createHash('sha256');
  for await (const chunk of readStored(file, options)) sha256.update(chunk);
  return `sha256:${sha256.digest('hex')}`;
}

async function readAll(file: LocalFile): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readStored(file)) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** Each chunk stays valid until the next one is requested. */
async function* readStored(
  file: LocalFile,
  { signal }: AbortableOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  let left = sizeOf(file);
  for await (const chunk of iterateSource(bytesOf(file.bytes))) {
    signal?.throwIfAborted();
    left -= chunk.length;
    yield chunk;
  }
  if (left > 0)
    throw new OverlayerError('DataLoss', `A file has become shorter by ${left} bytes while it was read`);
}

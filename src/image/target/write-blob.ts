import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { AbortableOptions } from '../../base/abort.js';
import { iterateSource } from '../../base/byte-source.js';
import type { Descriptor } from '../../oci/descriptor.js';
import { toOverlayerError } from '../../system/errno-code.js';
import { bytesOf, checkDigest, otherSize } from '../source/blob-bytes.js';
import type { ImageTarget, NewBlob, WriteBlobOptions } from './image-target.js';

/** The part of a file that a blob is written to. */
export interface BlobPlace {
  readonly file: FileHandle;
  readonly position: number;
  /** The file in messages. */
  readonly path: string;
}

/** Writes a blob into a file. @throws OverlayerError as `receiveBlob` and `writeAll` */
export async function writeBlobInto(
  place: BlobPlace,
  blob: NewBlob,
  options?: WriteBlobOptions,
): Promise<Descriptor> {
  const write = async (chunk: Uint8Array, at: number) =>
    await writeAll({ ...place, position: place.position + at }, chunk);
  return await receiveBlob(blob, write, options);
}

/**
 * Reads a blob and compares it with its digest.
 *
 * @param write gets each chunk and its offset. The chunk stays valid until this resolves
 * @throws OverlayerError `DataLoss`; as `blob.open` and `write`
 */
export async function receiveBlob(
  blob: NewBlob,
  write: (chunk: Uint8Array, at: number) => Promise<void>,
  { signal, onBytes }: WriteBlobOptions = {},
): Promise<Descriptor> {
  const hash = createHash('sha256');
  const { mediaType, digest, size } = blob;
  const wanted = digest === undefined || size === undefined ? undefined : { mediaType, digest, size };
  const { bytes } = await blob.open(0);
  let length = 0;
  for await (const chunk of iterateSource(bytesOf(bytes))) {
    signal?.throwIfAborted();
    if (wanted !== undefined && length + chunk.length > wanted.size) throw otherSize(wanted, 'more');
    // The disk writes while this thread hashes.
    const written = write(chunk, length);
    written.catch(() => {});
    hash.update(chunk);
    await written;
    length += chunk.length;
    onBytes?.(length);
  }
  const actual = `sha256:${hash.digest('hex')}` as const;
  if (wanted === undefined) return { mediaType, digest: actual, size: length };
  if (length < wanted.size) throw otherSize(wanted, String(length));
  checkDigest(wanted, actual);
  return wanted;
}

/** @throws OverlayerError `ResourceExhausted`: the disk is full */
export async function writeAll({ file, position, path }: BlobPlace, bytes: Uint8Array): Promise<void> {
  try {
    for (let at = 0; at < bytes.length; )
      at += (await file.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
  } catch (error) {
    throw toOverlayerError(error, `Cannot write "${path}"`);
  }
}

/** Writes a manifest as a blob, unless the target has it. */
export async function writeAsBlob(
  target: Pick<ImageTarget, 'has' | 'writeBlob'>,
  manifest: Descriptor,
  bytes: Uint8Array,
  options?: AbortableOptions,
): Promise<void> {
  if (await target.has(manifest, options)) return;
  await target.writeBlob({ ...manifest, open: async () => ({ bytes, offset: 0 }) }, options);
}

import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { AbortableOptions } from '../base/abort.js';
import { OverlayerError } from '../base/errors.js';
import type { Digest } from '../oci/digest.js';
import type { ReadBlobOptions } from './content-store.js';

/** Bytes of a chunk that `readFile` yields. */
const CHUNK = 256 * 1024;

/**
 * Reads a part of a file in chunks.
 *
 * @throws OverlayerError `InvalidArgument`: the offset is past the end; `DataLoss`: the file got shorter meanwhile
 */
export async function* readFile(
  file: FileHandle,
  { offset = 0, length = Infinity, signal }: ReadBlobOptions,
): AsyncGenerator<Uint8Array> {
  const { size } = await file.stat();
  if (!Number.isSafeInteger(offset) || offset < 0 || offset > size || !(length >= 0))
    throw new OverlayerError('InvalidArgument', `Cannot read ${length} bytes from ${offset} of ${size}`);
  const end = Math.min(size, offset + length);
  for (let at = offset; at < end; ) {
    signal?.throwIfAborted();
    const piece = Buffer.allocUnsafeSlow(Math.min(CHUNK, end - at));
    const { bytesRead } = await file.read(piece, 0, piece.length, at);
    if (bytesRead === 0)
      throw new OverlayerError('DataLoss', `A blob of ${size} bytes ends after ${at}`, { offset: at });
    at += bytesRead;
    yield piece.subarray(0, bytesRead);
  }
}

/** Bytes that `hashFile` hashes at once. That blocks the event loop for 0.7 ms. */
const PIECE = 1 << 20;

/** Hashes a whole file. @returns the digest, and the size in bytes */
export async function hashFile(
  file: FileHandle,
  { signal }: AbortableOptions = {},
): Promise<{ readonly digest: Digest; readonly size: number }> {
  const hash = createHash('sha256');
  const piece = Buffer.allocUnsafeSlow(PIECE);
  for (let size = 0; ; ) {
    signal?.throwIfAborted();
    const { bytesRead } = await file.read(piece, 0, PIECE, size);
    if (bytesRead === 0) return { digest: `sha256:${hash.digest('hex')}`, size };
    hash.update(piece.subarray(0, bytesRead));
    size += bytesRead;
  }
}

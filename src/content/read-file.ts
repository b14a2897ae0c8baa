import type { FileHandle } from 'node:fs/promises';
import { OverlayerError } from '../base/errors.js';
import type { ReadBlobOptions } from './content-store.js';

const PIECE = 256 * 1024;

/** @throws OverlayerError `InvalidArgument`: an offset past its end; `DataLoss`: it gets shorter meanwhile */
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
    const piece = Buffer.allocUnsafeSlow(Math.min(PIECE, end - at));
    const { bytesRead } = await file.read(piece, 0, piece.length, at);
    if (bytesRead === 0)
      throw new OverlayerError('DataLoss', `A blob of ${size} bytes ends after ${at}`, { offset: at });
    at += bytesRead;
    yield piece.subarray(0, bytesRead);
  }
}

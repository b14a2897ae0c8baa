import { type FileHandle, open, stat } from 'node:fs/promises';
import type { ByteSource } from '../../base/byte-source.js';
import { OverlayerError } from '../../base/errors.js';
import { fromSystemError } from '../../system/errno-code.js';
import { asSystemError, isErrno } from '../../system/system.js';

/** Undefined for a pipe and the like. @throws OverlayerError `NotFound`, `InvalidArgument`, `PermissionDenied` */
export async function openArchiveFile(path: string): Promise<FileHandle | undefined> {
  try {
    const stats = await stat(path);
    if (stats.isDirectory())
      throw new OverlayerError('InvalidArgument', `Image archive "${path}" is a directory`, {
        hint: 'open it as an image layout',
      });
    return stats.isFile() ? await open(path) : undefined;
  } catch (cause) {
    if (OverlayerError.is(cause)) throw cause;
    const error = asSystemError(cause, path);
    if (isErrno(error, 'ENOENT', 'ENOTDIR'))
      throw new OverlayerError('NotFound', `Image archive "${path}" does not exist`, { cause });
    throw fromSystemError(error, `Cannot open image archive "${path}"`);
  }
}

/** From its beginning; the handle stays open. */
export function readHandle(handle: FileHandle): ByteSource {
  return handle.createReadStream({ start: 0, autoClose: false });
}

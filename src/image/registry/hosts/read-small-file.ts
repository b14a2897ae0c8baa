import type { Stats } from 'node:fs';
import { open } from 'node:fs/promises';
import { OverlayerError } from '../../../base/errors.js';

/**
 * Reads a configuration file.
 *
 * @param check throws when the file may not be used
 * @returns undefined when the file does not exist
 * @throws OverlayerError `PermissionDenied`; `InvalidArgument`: it is a directory, or larger than `maxBytes`
 */
export async function readSmallFile(
  path: string,
  maxBytes: number,
  check: (stats: Stats) => void = () => {},
): Promise<string | undefined> {
  try {
    const file = await open(path);
    try {
      const stats = await file.stat();
      check(stats);
      if (stats.size > maxBytes)
        throw new OverlayerError('InvalidArgument', `"${path}" has more than ${maxBytes} bytes`);
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (OverlayerError.is(cause)) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (code === 'EISDIR') throw new OverlayerError('InvalidArgument', `"${path}" is a directory`, { cause });
    throw new OverlayerError('PermissionDenied', `Cannot read "${path}" (${code})`, { cause, errno: code });
  }
}

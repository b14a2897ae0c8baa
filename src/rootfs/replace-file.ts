import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ABORTABLE_OPTIONS, type AbortableOptions } from '../base/abort.js';
import { type ByteSource, type OpenedBytes, openBytes } from '../base/byte-source.js';
import { checkOptions, checkPath } from '../base/check-arguments.js';
import { toOverlayerError } from '../system/errno-code.js';
import { syncDirectory } from '../system/sync-directory.js';
import { openStagedFile } from './staging.js';

/**
 * Writes bytes, such as those of a task of `createDiff`, into a file. A file of that name is replaced. The new one appears
 * when it is complete and on disk. A failure leaves nothing. The next call with the same path removes what a killed process
 * left beside the file (names that begin with `.NAME.overlayer-`). A device or a pipe is opened and written itself.
 *
 * @throws OverlayerError `NotFound`: the parent directory does not exist; `FailedPrecondition`: the path is a directory;
 *   `PermissionDenied`, `ResourceExhausted`, `DataLoss`: the kernel refused a write; `InvalidArgument`: not a source of bytes
 * @throws what reading `bytes` throws; `signal.reason`
 */
export async function replaceFile(
  path: string,
  bytes: ByteSource,
  options: AbortableOptions = {},
): Promise<void> {
  checkPath('path', path);
  checkOptions('replaceFile', options, ABORTABLE_OPTIONS);
  const { signal } = options;
  const opened = openBytes(bytes);
  const chunks = opened instanceof Uint8Array ? [opened] : opened;
  try {
    if (await isSpecial(path)) await pipeline(chunks, createWriteStream(path), { signal });
    else await replace(resolve(path), chunks, signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw toOverlayerError(error, `Cannot write "${path}"`);
  }
}

async function isSpecial(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  return stats !== undefined && !stats.isFile() && !stats.isDirectory();
}

async function replace(
  path: string,
  bytes: Exclude<OpenedBytes, Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const staged = await openStagedFile(path, 0o666);
  try {
    // A stream of `staged.file` would close it. Its lock shows other writers that this one lives, until the rename.
    await pipeline(bytes, createWriteStream(staged.path, { flags: 'r+', flush: true }), { signal });
    await rename(staged.path, path);
  } catch (error) {
    await rm(staged.path, { force: true });
    throw error;
  } finally {
    await staged.file.close();
  }
  await syncDirectory(dirname(path));
}

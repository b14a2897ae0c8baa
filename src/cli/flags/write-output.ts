import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { OverlayerError } from '../../index.js';
import { fileFailure } from './file-failure.js';

/** Writes to a file, or for `-` to standard output, which must be no terminal. */
export async function writeOutput(
  bytes: AsyncIterable<Uint8Array>,
  output: string,
  signal: AbortSignal,
): Promise<void> {
  if (output !== '-') return await writeFile(bytes, output, signal);
  if (process.stdout.isTTY)
    throw new OverlayerError('InvalidArgument', 'Standard output is a terminal', {
      hint: 'name a file: -o FILE',
    });
  await pipeline(bytes, process.stdout, { signal, end: false });
}

async function writeFile(bytes: AsyncIterable<Uint8Array>, path: string, signal: AbortSignal): Promise<void> {
  try {
    if (await isOther(path)) await pipeline(bytes, createWriteStream(path), { signal });
    else await replaceFile(bytes, path, signal);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw fileFailure(error, `Cannot write "${path}"`);
  }
}

/** A device or a pipe, which is written to where it is. */
async function isOther(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  return stats !== undefined && !stats.isFile() && !stats.isDirectory();
}

/** The file is there once it is whole and on disk. */
async function replaceFile(
  bytes: AsyncIterable<Uint8Array>,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const partial = `${path}.partial-${process.pid}`;
  try {
    await pipeline(bytes, createWriteStream(partial, { flags: 'wx', flush: true }), { signal });
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

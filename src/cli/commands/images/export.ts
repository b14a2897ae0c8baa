import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { displayPath, exportImages as exportedBytes, type Image, OverlayerError } from '../../../index.js';
import { abortOnSignals } from '../../interruption.js';
import type { RootFlags } from '../../root-flags.js';
import { withExistingStore } from '../with-store.js';

export interface ExportFlags extends RootFlags {
  readonly output: string;
}

/** Writes images as an archive. @returns the exit code */
export async function exportImages(names: readonly string[], flags: ExportFlags): Promise<number> {
  const { output } = flags;
  const signal = abortOnSignals();
  return await withExistingStore(flags, async (store) => {
    const images: Image[] = [];
    for (const name of names) images.push(await store.images.get(name));
    const bytes = exportedBytes(store.content, images, { signal });
    if (output === '-') await writeToOutput(bytes, signal);
    else {
      await writeFile(bytes, output, signal);
      process.stdout.write(
        `Exported ${images.map(({ name }) => displayPath(name)).join(', ')} to ${displayPath(output)}\n`,
      );
    }
  });
}

async function writeToOutput(bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
  if (process.stdout.isTTY)
    throw new OverlayerError('InvalidArgument', 'Standard output is a terminal', {
      hint: 'name a file: -o FILE',
    });
  await pipeline(bytes, process.stdout, { signal, end: false });
}

/** The file is there once it is whole and on disk. */
async function writeFile(bytes: AsyncIterable<Uint8Array>, path: string, signal: AbortSignal): Promise<void> {
  const partial = `${path}.partial-${process.pid}`;
  try {
    await pipeline(bytes, createWriteStream(partial, { flags: 'wx', flush: true }), { signal });
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    if (signal.aborted) throw signal.reason;
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (syscall === undefined) throw error;
    throw new OverlayerError('FailedPrecondition', `Cannot write "${path}": ${code}`, {
      cause: error,
      errno: code,
    });
  }
}

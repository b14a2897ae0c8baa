import { createWriteStream, statSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { displayPath, exportImages as exportedBytes, type Image, OverlayerError } from '../../../index.js';
import { fileFailure } from '../../file-failure.js';
import { abortOnSignals } from '../../interruption.js';
import { printResult } from '../../render/print-result.js';
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
      const exported = images.map(({ name }) => name);
      printResult(
        flags,
        { images: exported, output },
        `Exported ${exported.map(displayPath).join(', ')} to ${displayPath(output)}\n`,
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

/** A file is there once it is whole and on disk. A pipe or a device is written to, and not replaced. */
async function writeFile(bytes: AsyncIterable<Uint8Array>, path: string, signal: AbortSignal): Promise<void> {
  const inPlace = statSync(path, { throwIfNoEntry: false })?.isFile() === false;
  const written = inPlace ? path : `${path}.partial-${process.pid}`;
  try {
    await pipeline(bytes, createWriteStream(written, inPlace ? {} : { flags: 'wx', flush: true }), {
      signal,
    });
    if (!inPlace) await rename(written, path);
  } catch (error) {
    if (!inPlace) await rm(written, { force: true });
    if (signal.aborted) throw signal.reason;
    throw fileFailure(error, `Cannot write "${path}"`);
  }
}

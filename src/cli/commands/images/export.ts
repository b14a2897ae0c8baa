import { displayPath, exportImages as exportedBytes, type Image } from '../../../index.js';
import { abortOnSignals } from '../../interruption.js';
import type { RootFlags } from '../../root-flags.js';
import { writeOutput } from '../../write-output.js';
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
    await writeOutput(bytes, output, signal);
    if (output !== '-')
      process.stdout.write(
        `Exported ${images.map(({ name }) => displayPath(name)).join(', ')} to ${displayPath(output)}\n`,
      );
  });
}

import { displayPath, exportImages as exportedBytes, type Image } from '../../../index.js';
import { abortOnSignals } from '../../failure.js';
import type { ExportFlags } from '../../flags/image-flags.js';
import { writeOutput } from '../../output.js';
import { printResult } from '../../render/print.js';
import { withExistingStore } from '../../with-root.js';

/** Writes images as an archive. @returns the exit code */
export async function exportImages(names: readonly string[], flags: ExportFlags): Promise<number> {
  const { output } = flags;
  const signal = abortOnSignals();
  return await withExistingStore(flags, async (store) => {
    const images: Image[] = [];
    for (const name of names) images.push(await store.images.get(name));
    await writeOutput(exportedBytes(store.content, images, { signal }), output, signal);
    if (output === '-') return;
    const exported = images.map(({ name }) => name);
    printResult(
      flags,
      { images: exported, output },
      `Exported ${exported.map(displayPath).join(', ')} to ${displayPath(output)}\n`,
    );
  });
}

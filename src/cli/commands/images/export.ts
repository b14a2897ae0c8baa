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
    const { content, snapshots } = store;
    const task = exportedBytes(content, images, { signal, snapshots });
    await writeOutput(task, output, signal);
    const { plainLayers } = await task;
    if (output === '-') return;
    const exported = images.map(({ name }) => name);
    printResult(
      flags,
      { images: exported, output, plainLayers },
      `Exported ${exported.map(displayPath).join(', ')} to ${displayPath(output)}\n${plainText(plainLayers.length)}`,
    );
  });
}

function plainText(layers: number): string {
  if (layers === 0) return '';
  return `Layers written as plain tars, because their blobs were discarded: ${layers}\n`;
}

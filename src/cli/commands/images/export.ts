import {
  copyImage,
  createImageArchive,
  createImageLayout,
  displayPath,
  exportImages as exportedBytes,
  type Image,
  OverlayerError,
  type Store,
} from '../../../index.js';
import { abortOnSignals } from '../../failure.js';
import type { ExportFlags } from '../../flags/image-flags.js';
import { writeOutput } from '../../output.js';
import { printResult } from '../../render/print.js';
import { withExistingStore } from '../../with-root.js';

/** Writes images as an archive. @returns the exit code */
export async function exportImages(names: readonly string[], flags: ExportFlags): Promise<number> {
  const { output, format } = flags;
  const signal = abortOnSignals();
  return await withExistingStore(flags, async (store) => {
    const images: Image[] = [];
    for (const name of names) images.push(await store.images.get(name));
    if (format !== undefined) return await exportTo(store, images, { output, format, flags, signal });
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

interface Export {
  readonly output: string;
  readonly format: NonNullable<ExportFlags['format']>;
  readonly flags: ExportFlags;
  readonly signal: AbortSignal;
}

/** Writes a layout, or an archive of one form. */
async function exportTo(
  store: Store,
  images: readonly Image[],
  { output, format, flags, signal }: Export,
): Promise<void> {
  if (output === '-')
    throw new OverlayerError('InvalidArgument', `Standard output can't be of the form ${format}`, {
      hint: 'name a file: -o FILE; without --format an archive can be written there',
    });
  await using target = await (format === 'oci-layout'
    ? createImageLayout(output)
    : createImageArchive(output, { format }));
  const names = images.map(({ name }) => name);
  const source = await store.images.source(...names);
  await copyImage(source, target, { signal });
  const text = `Exported ${names.map(displayPath).join(', ')} to ${displayPath(output)}\n`;
  printResult(flags, { images: names, output, plainLayers: [] }, text);
}

function plainText(layers: number): string {
  if (layers === 0) return '';
  return `Layers written as plain tars, because their blobs were discarded: ${layers}\n`;
}

import { displayPath } from '../../../index.js';
import { abortOnSignals } from '../../failure.js';
import type { DiskFlags } from '../../flags/image-flags.js';
import { platformOf } from '../../options.js';
import { formatBytes } from '../../render/format.js';
import { printResult } from '../../render/print.js';
import { withExistingStore } from '../../with-root.js';

/** Writes the root filesystem of an image as one EROFS file. @returns the exit code */
export async function disk(name: string, file: string, flags: DiskFlags): Promise<number> {
  const signal = abortOnSignals();
  return await withExistingStore(flags, async (store) => {
    const image = await store.images.get(name);
    const { size, offsets } = await image.writeDisk(file, { platform: platformOf(flags), signal });
    const text = `Wrote ${displayPath(image.name)} to ${displayPath(file)} (${formatBytes(size)})\n`;
    printResult(flags, { image: image.name, file, size, layers: offsets.length }, text);
  });
}

import type { FileChange } from '../../../index.js';
import { abortOnSignals } from '../../failure.js';
import type { DiffImagesFlags } from '../../flags/build-flags.js';
import { platformOf } from '../../options.js';
import { changesTable } from '../../render/file-changes.js';
import { counted, signedBytes } from '../../render/format.js';
import { printResult } from '../../render/print.js';
import { withExistingStore } from '../../with-root.js';

/** Prints the files that two images do not have alike, by the letters of `docker diff`. */
export async function diffImages(before: string, after: string, flags: DiffImagesFlags): Promise<number> {
  const signal = abortOnSignals();
  return await withExistingStore(flags, async (store) => {
    const files = await store.images.diff(before, after, { platform: platformOf(flags), signal });
    const totals = totalsOf(files);
    const { added, changed, removed, bytes } = totals;
    const text = `${changesTable(files)}${counted(added, 'entry', 'entries')} added, ${changed} changed, ${removed} removed: ${signedBytes(bytes)}\n`;
    printResult(flags, { before, after, files, ...totals }, text);
  });
}

function totalsOf(files: readonly FileChange[]) {
  const count = (wanted: FileChange['kind']) => files.filter(({ kind }) => kind === wanted).length;
  const bytes = files.reduce((sum, { sizeBefore, sizeAfter }) => sum + sizeAfter - sizeBefore, 0);
  return { added: count('added'), changed: count('changed'), removed: count('removed'), bytes };
}

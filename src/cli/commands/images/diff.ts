import type { FileChange } from '../../../index.js';
import { abortOnSignals } from '../../failure.js';
import type { DiffImagesFlags } from '../../flags/build-flags.js';
import { platformOf } from '../../options.js';
import { counted, formatBytes } from '../../render/format.js';
import { columns } from '../../render/list.js';
import { printResult } from '../../render/print.js';
import { withExistingStore } from '../../with-root.js';

const MARKS = { added: 'A', changed: 'C', removed: 'D' } as const;

/** Prints the files that two images do not have alike, by the letters of `docker diff`. */
export async function diffImages(before: string, after: string, flags: DiffImagesFlags): Promise<number> {
  const signal = abortOnSignals();
  return await withExistingStore(flags, async (store) => {
    const files = await store.images.diff(before, after, { platform: platformOf(flags), signal });
    const totals = totalsOf(files);
    const rows = files.map(({ kind, path, sizeBefore, sizeAfter }) => [
      MARKS[kind],
      formatChange(sizeAfter - sizeBefore),
      `/${path}`,
    ]);
    const table = columns(['', 'SIZE', 'PATH'], rows, { right: ['SIZE'] });
    const { added, changed, removed, bytes } = totals;
    const text = `${counted(added, 'entry', 'entries')} added, ${changed} changed, ${removed} removed: ${formatChange(bytes)}\n`;
    printResult(flags, { before, after, files, ...totals }, files.length === 0 ? text : table + text);
  });
}

function totalsOf(files: readonly FileChange[]) {
  const count = (wanted: FileChange['kind']) => files.filter(({ kind }) => kind === wanted).length;
  const bytes = files.reduce((sum, { sizeBefore, sizeAfter }) => sum + sizeAfter - sizeBefore, 0);
  return { added: count('added'), changed: count('changed'), removed: count('removed'), bytes };
}

function formatChange(bytes: number): string {
  return `${bytes < 0 ? '-' : '+'}${formatBytes(Math.abs(bytes))}`;
}

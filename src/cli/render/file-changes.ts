import type { FileChange, PathChange } from '../../index.js';
import { signedBytes } from './format.js';
import { columns } from './list.js';

const MARKS = { added: 'A', changed: 'C', removed: 'D' } as const;

/** The letter of `docker diff`; `M` stands for metadata. */
export function changeMark({
  kind,
  metadataOnly,
}: Pick<FileChange, 'kind'> & Partial<Pick<PathChange, 'metadataOnly'>>): string {
  return metadataOnly ? 'M' : MARKS[kind];
}

/** A line for each path that two images do not have alike. '' if there are none. */
export function changesTable(files: readonly (FileChange | PathChange)[]): string {
  if (files.length === 0) return '';
  const rows = files.map((file) => [
    changeMark(file),
    signedBytes(file.sizeAfter - file.sizeBefore),
    `/${file.path}`,
  ]);
  return columns(['', 'SIZE', 'PATH'], rows, { right: ['SIZE'] });
}

import Table from 'cli-table3';
import { displayPath } from '../../index.js';

const LINES = [
  ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
  ...['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'],
] as const;

/** A table without lines, for people and for awk: a heading, a row a line. */
export function columns(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { right = [] }: { readonly right?: readonly string[] } = {},
): string {
  const table = new Table({
    head: [...head],
    colAligns: head.map((name) => (right.includes(name) ? 'right' : 'left')),
    chars: { ...Object.fromEntries(LINES.map((line) => [line, ''])), middle: '   ' },
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 0 },
  });
  for (const row of rows) table.push(row.map(displayPath));
  return `${table.toString().replace(/ +$/gm, '')}\n`;
}

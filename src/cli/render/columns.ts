import Table from 'cli-table3';
import { displayPath } from '../../index.js';

const LINES = [
  ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
  ...['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'],
] as const;

/** Of a digest, in tables. */
export const SHORT_DIGEST = 'sha256:'.length + 12;
const LONG_DIGEST = /sha256:[0-9a-f]{64}/g;

export interface ColumnsOptions {
  /** Columns, by their heads, whose texts end at the same place. */
  readonly right?: readonly string[] | undefined;
  /**
   * Characters of a line: where a row takes more, digests are cut short, but for the first column's.
   *
   * @default that of the terminal; else there is no bound
   */
  readonly width?: number | undefined;
}

const BETWEEN = '   ';

/** A table without lines, for people and for awk: a heading, a row a line. */
export function columns(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { right = [], width = process.stdout.columns ?? Infinity }: ColumnsOptions = {},
): string {
  const table = new Table({
    head: [...head],
    colAligns: head.map((name) => (right.includes(name) ? 'right' : 'left')),
    chars: { ...Object.fromEntries(LINES.map((line) => [line, ''])), middle: BETWEEN },
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 0 },
  });
  const shown = rows.map((row) => row.map(displayPath));
  for (const row of widthOf([head, ...shown]) > width ? shown.map(shortened) : shown) table.push(row);
  return `${table.toString().replace(/ +$/gm, '')}\n`;
}

function widthOf(rows: readonly (readonly string[])[]): number {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return widths.reduce((sum, width) => sum + BETWEEN.length + width, -BETWEEN.length);
}

/** What a row is about stays whole: it is what other commands take. */
function shortened([name = '', ...rest]: readonly string[]): string[] {
  return [
    name,
    ...rest.map((text) => text.replace(LONG_DIGEST, (digest) => `${digest.slice(0, SHORT_DIGEST)}…`)),
  ];
}

import Table from 'cli-table3';
import { displayPath } from '../../index.js';

const LINES = [
  ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
  ...['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'],
] as const;

/** The part of a digest that narrow tables show. */
export const SHORT_DIGEST = 'sha256:'.length + 12;
const LONG_DIGEST = /sha256:[0-9a-f]{64}/g;

export interface ColumnsOptions {
  /** The heads of the columns whose texts are aligned at their right end. */
  readonly right?: readonly string[] | undefined;
  /**
   * Characters in a line. If a row is longer, digests are shortened, except in the first column.
   *
   * @default that of the terminal; without a terminal there is no limit
   */
  readonly width?: number | undefined;
}

const BETWEEN = '   ';

/** A table without lines, for people and for awk: a heading, and a line for each row. */
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

/** The first column stays complete: other commands take it as an argument. */
function shortened([name = '', ...rest]: readonly string[]): string[] {
  return [
    name,
    ...rest.map((text) => text.replace(LONG_DIGEST, (digest) => `${digest.slice(0, SHORT_DIGEST)}…`)),
  ];
}

import { displayPath } from '../../index.js';
import type { ListFlags } from '../flags/store-flags.js';
import { type ColumnsOptions, columns } from './columns.js';
import { formatTemplate } from './format-template.js';
import { printResult } from './print-result.js';

interface List<T> extends ColumnsOptions {
  readonly head: readonly string[];
  readonly row: (item: T) => readonly string[];
  /** The name that other commands take. */
  readonly key: (item: T) => string;
  /** Its fields, for `--json` and `--format`. */
  readonly document: (item: T) => object;
}

/** Prints a list: as a table, by a template, as one JSON document, or only the names. */
export function printList<T>(flags: ListFlags, items: readonly T[], list: List<T>): void {
  const { head, row, key, document } = list;
  if (flags.quiet) print(items.map((item) => displayPath(key(item))));
  else if (flags.format !== undefined) print(items.map(formatTemplate(flags.format, document)));
  else printResult(flags, items.map(document), columns(head, items.map(row), list));
}

function print(lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(''));
}

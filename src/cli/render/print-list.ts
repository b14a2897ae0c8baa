import { displayPath } from '../../index.js';
import { type ColumnsOptions, columns } from './columns.js';
import { formatTemplate } from './format-template.js';
import { printResult } from './print-result.js';

/** Options of every command that lists something, as commander gives them. */
export interface ListFlags {
  readonly json?: true;
  readonly quiet?: true;
  readonly format?: string;
  readonly filter?: readonly string[];
}

export interface List<T> extends ColumnsOptions {
  readonly head: readonly string[];
  readonly row: (item: T) => readonly string[];
  /** What other commands take to name it. */
  readonly key: (item: T) => string;
  /** Its fields, for `--json` and `--format`. */
  readonly document: (item: T) => object;
}

/** Prints a list: as a table, by a template, as one JSON document, or what each is called. */
export function printList<T>(flags: ListFlags, items: readonly T[], list: List<T>): void {
  const { head, row, key, document } = list;
  if (flags.quiet) print(items.map((item) => displayPath(key(item))));
  else if (flags.format !== undefined) print(items.map(formatTemplate(flags.format, document)));
  else printResult(flags, items.map(document), columns(head, items.map(row), list));
}

function print(lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(''));
}

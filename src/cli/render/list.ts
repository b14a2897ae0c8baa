import stringWidth from 'string-width';
import { displayJson, displayPath, OverlayerError } from '../../index.js';
import type { ListFlags } from '../flags/store-flags.js';
import { standardOutput } from '../standard-streams.js';
import { printResult } from './print.js';

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
  standardOutput.write(lines.map((line) => `${line}\n`).join(''));
}

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
  { right = [], width = standardOutput.terminal?.columns ?? Infinity }: ColumnsOptions = {},
): string {
  const shown = rows.map((row) => row.map(displayPath));
  const lines = [head, ...(widthOf([head, ...shown]) > width ? shown.map(shortened) : shown)];
  const widths = columnWidths(lines);
  const aligned = lines.map((line) =>
    line.map((text, column) => {
      const space = ' '.repeat(widths[column]! - cells(text));
      return right.includes(head[column]!) ? space + text : text + space;
    }),
  );
  return aligned.map((line) => `${line.join(BETWEEN).replace(/ +$/, '')}\n`).join('');
}

function widthOf(lines: readonly (readonly string[])[]): number {
  return columnWidths(lines).reduce((sum, width) => sum + BETWEEN.length + width, -BETWEEN.length);
}

function columnWidths(lines: readonly (readonly string[])[]): number[] {
  return lines[0]!.map((_, column) =>
    lines.reduce((widest, line) => Math.max(widest, cells(line[column]!)), 0),
  );
}

/** Columns of a terminal. The package takes 0.5 ms for its first text. */
function cells(text: string): number {
  return /^[ -~]*$/.test(text) ? text.length : stringWidth(text);
}

/** The first column stays complete: other commands take it as an argument. */
function shortened([name = '', ...rest]: readonly string[]): string[] {
  return [
    name,
    ...rest.map((text) => text.replace(LONG_DIGEST, (digest) => `${digest.slice(0, SHORT_DIGEST)}…`)),
  ];
}

const PLACE = /\{\{(.*?)\}\}/gs;
/** `.name`, `.target.digest`, `.labels."a.b"`, `json .labels`, `json .`. */
const FIELD = /^\s*(json\s+)?\.((?:\w+|"[^"]*")(?:\.(?:\w+|"[^"]*"))*)?\s*$/;
const ESCAPES: Readonly<Record<string, string>> = { '\\t': '\t', '\\n': '\n' };

/**
 * Reads a template in the form of docker's `--format`, with fields only: `{{.name}}\t{{json .labels}}`. The case of the
 * first part of a field does not matter, because docker's fields begin with a capital.
 *
 * @param document the fields of an item
 * @returns makes the text of an item
 * @throws OverlayerError `InvalidArgument` for another action, or a field that the item does not have
 */
export function formatTemplate<T>(template: string, document: (item: T) => object): (item: T) => string {
  if (/^(?:json|table\b.*)$/s.test(template))
    throw new OverlayerError('InvalidArgument', `Not a template: "${template}"`, {
      hint: '--json prints JSON; without --format a list is a table',
    });
  const text = template.replace(/\\[tn]/g, (written) => ESCAPES[written]!);
  for (const [place, action] of text.matchAll(PLACE)) {
    if (!FIELD.test(action!))
      throw new OverlayerError('InvalidArgument', `Not a field: "${place}" of the template`, {
        hint: '--format takes fields such as {{.name}} or {{json .labels}}',
      });
  }
  if (text.replace(PLACE, '').includes('{{'))
    throw new OverlayerError('InvalidArgument', `Not a template: "${template}"`, {
      hint: 'a field ends with }}, as in {{.name}}',
    });
  return (item) => text.replace(PLACE, (_, action: string) => textOf(document(item), FIELD.exec(action)!));
}

function textOf(document: object, [, json, field]: RegExpExecArray): string {
  const path = (field?.match(/\w+|"[^"]*"/g) ?? []).map((part) => part.replace(/^"|"$/g, ''));
  const value = path.reduce<unknown>((at, part, depth) => {
    if (depth === 0) return fieldOf(document, part);
    return isObject(at) && Object.hasOwn(at, part) ? at[part] : undefined;
  }, document);
  if (json !== undefined || isObject(value)) return displayJson(value ?? null);
  return value === undefined || value === null ? '' : displayPath(String(value));
}

function fieldOf(document: object, name: string): unknown {
  const found = Object.entries(document).find(([each]) => each.toLowerCase() === name.toLowerCase());
  if (found !== undefined) return found[1];
  throw new OverlayerError('InvalidArgument', `There is no field "${name}" here`, {
    hint: `--format can show ${Object.keys(document).join(', ')}`,
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !(value instanceof Date);
}

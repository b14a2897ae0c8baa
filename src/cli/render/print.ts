import { displayJson, displayPath } from '../../index.js';
import { standardOutput } from '../standard-streams.js';

/** Prints the result of a command: as text, or with `--json` as one document. A function is called for text that is needed. */
export function printResult(
  { json }: { readonly json: true | undefined },
  document: unknown,
  text: string | (() => string),
): void {
  if (json) standardOutput.write(`${displayJson(document, 2)}\n`);
  else standardOutput.write(typeof text === 'string' ? text : text());
}

/** A row without a value is left out. */
export type LabelledRow = readonly [label: string, value: string | undefined];

/** A heading, and below it a line for each label and its value. */
export function labelledRows(heading: string, rows: readonly LabelledRow[]): string {
  const lines = rows.flatMap(([label, value]) =>
    value === undefined ? [] : [`  ${label.padEnd(10)} ${displayPath(value)}\n`],
  );
  return `${displayPath(heading)}\n${lines.join('')}`;
}

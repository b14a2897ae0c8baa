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

/** Labels have this width at least, so that summaries of one command look alike. */
const LABEL_WIDTH = 10;
const INDENT = '  ';

/**
 * A heading, and below it a line for each label and its value.
 *
 * @param width of the terminal. Longer values are wrapped between words; without a terminal none is
 */
export function labelledRows(
  heading: string,
  rows: readonly LabelledRow[],
  width: number = standardOutput.terminal?.columns ?? Infinity,
): string {
  const labelWidth = Math.max(
    LABEL_WIDTH,
    ...rows.map(([label, value]) => (value === undefined ? 0 : label.length)),
  );
  const lines = rows.flatMap(([label, value]) => {
    if (value === undefined) return [];
    const shown = displayPath(value);
    const start = `${INDENT}${label.padEnd(labelWidth)} `;
    if (start.length + shown.length <= width) return [`${start}${shown}`];
    return wrapped(start, shown, width);
  });
  return [displayPath(heading), ...lines, ''].join('\n');
}

/** A value with a word that is wider than its column, such as a digest, begins below its label. No word is cut. */
function wrapped(start: string, text: string, width: number): readonly string[] {
  const words = text.split(' ');
  const isBeside = words.every((word) => start.length + word.length <= width);
  const indent = ' '.repeat(isBeside ? start.length : 2 * INDENT.length);
  const [first, ...others] = filledLines(words, width - indent.length);
  const below = others.map((line) => `${indent}${line}`);
  return isBeside ? [`${start}${first}`, ...below] : [start.trimEnd(), `${indent}${first}`, ...below];
}

function filledLines(words: readonly string[], width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bars } from '../bars.js';
import { RESULTS_DIR } from '../paths.js';
import type { Results } from '../results.js';
import { chart } from './chart.js';
import { barTable, markdown } from './markdown.js';

export function resultsFile(name: string, suffix: 'md' | 'json' | 'svg'): string {
  return join(RESULTS_DIR, `${name}.${suffix}`);
}

/** Tables, JSON and chart of a topic. */
export function writeReport(name: string, results: Results): void {
  mkdirSync(RESULTS_DIR, { recursive: true });
  const all = { ...results, bars: bars(results) };
  writeFileSync(resultsFile(name, 'md'), markdown(all));
  writeFileSync(resultsFile(name, 'json'), `${JSON.stringify(all, undefined, 1)}\n`);
  writeFileSync(resultsFile(name, 'svg'), chart(all));
}

/** The bars of all topics of a run, as a table. */
export function barsOf(all: readonly Results[]): string {
  return barTable(all.flatMap(bars)).join('\n');
}

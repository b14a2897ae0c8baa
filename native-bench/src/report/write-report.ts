import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bars } from '../bars.js';
import { RESULTS_DIR } from '../paths.js';
import { emptyResults, type Results } from '../results.js';
import { chart } from './chart.js';
import { barPage, markdown } from './markdown.js';

/** Tables, JSON and chart of a topic. */
export function writeReport(name: string, results: Results): void {
  mkdirSync(RESULTS_DIR, { recursive: true });
  const all = { ...results, bars: bars(results) };
  writeFileSync(resultsFile(name, 'md'), markdown(all));
  writeFileSync(resultsFile(name, 'json'), `${JSON.stringify(all, undefined, 1)}\n`);
  writeFileSync(resultsFile(name, 'svg'), chart(all));
}

/** Does the same from the topic's JSON. Bars, reasons or pages may have changed since the measurement. */
export function writeReportAgain(name: string): void {
  writeReport(name, readResults(name));
}

/** Writes `results/bars.md`: the bars of all given topics that have results. */
export function writeBars(topics: readonly string[]): void {
  const measured = topics.filter((name) => existsSync(resultsFile(name, 'json')));
  writeFileSync(resultsFile('bars', 'md'), barsOf(measured));
}

/** The bars of topics, as a page. */
export function barsOf(topics: readonly string[]): string {
  return barPage(
    topics.map((name) => {
      const results = readResults(name);
      return { name, results, bars: bars(results) };
    }),
  );
}

/** Results of older versions lack some lists. */
function readResults(name: string): Results {
  const results = JSON.parse(readFileSync(resultsFile(name, 'json'), 'utf8')) as Results;
  return { ...emptyResults(results.machine, results.rounds), ...results };
}

function resultsFile(name: string, suffix: 'md' | 'json' | 'svg'): string {
  return join(RESULTS_DIR, `${name}.${suffix}`);
}

import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type GuardRow, guardContenders } from './contenders.js';
import { INPUT_TREES } from './input-trees.js';
import { loadLayer } from './inputs.js';
import { measureInTurn } from './measure.js';
import { RESULTS_DIR } from './paths.js';
import { GUARD_PACKAGES, installDebianPackages } from './prerequisites.js';
import { enterNamespace, mountMemory } from './scratch.js';
import { pairedRatio } from './statistics.js';

/** How many times as fast as `tar` overlayer was, in the rows that have been recorded. */
type Ratios = Readonly<Partial<Record<GuardRow, number>>>;

interface GuardRecord {
  /** Definition of the input; ratios of different inputs don't compare. */
  readonly input: string;
  /** By the model of the processor: they differ by half between two. */
  readonly ratios: Readonly<Record<string, Ratios>>;
}

const FILE = join(RESULTS_DIR, 'guard.json');
const PAIRS = 7;
const LARGEST_FALL = 0.2;

const { values: flags } = parseArgs({ options: { record: { type: 'boolean', default: false } } });
const dir = enterNamespace();
installDebianPackages(GUARD_PACKAGES);
mountMemory(dir);

const input = INPUT_TREES.guard.definition;
const contenders = guardContenders(loadLayer('guard', dir));
const rows = Object.keys(contenders) as GuardRow[];
const cpu = cpus()[0]!.model;
const recorded = JSON.parse(readFileSync(FILE, 'utf8')) as GuardRecord;
if (flags.record) record();
else compare();

function measureRatio(row: GuardRow): number {
  const where = { group: 'guard', input: row, dir, rounds: PAIRS };
  const [own, tar] = measureInTurn(contenders[row], where).map(({ samples }) =>
    samples.map((one) => one.seconds),
  );
  return Number(pairedRatio(tar!, own!).toFixed(2));
}

function record(): void {
  const own = Object.fromEntries(rows.map((row) => [row, measureRatio(row)])) as Ratios;
  const others = recorded.input === input ? recorded.ratios : {};
  const text = JSON.stringify(
    { input, ratios: { ...others, [cpu]: own } } satisfies GuardRecord,
    undefined,
    2,
  );
  writeFileSync(FILE, `${text}\n`);
  console.log(text);
}

/** The ratio recorded for this processor; for another one, the lowest of all. */
function expected(row: GuardRow): number {
  const all = Object.values(recorded.ratios).flatMap((ratios) => ratios[row] ?? []);
  return recorded.ratios[cpu]?.[row] ?? Math.min(...all);
}

function compare(): void {
  if (recorded.input !== input) throw new Error('The input has changed: record the ratios again (--record)');
  for (const row of rows) {
    const before = expected(row);
    const fell = (ratio: number) => ratio < before * (1 - LARGEST_FALL);
    const first = measureRatio(row);
    // Overlayer needs both cores, tar but one: a neighbour can make a fall. It seldom does so twice.
    const ratio = fell(first) ? Math.max(first, measureRatio(row)) : first;
    const verdict = fell(ratio) ? `, FELL by more than ${LARGEST_FALL * 100} %` : '';
    console.log(`${row}: ${ratio}× as fast as tar, recorded ${before}×${verdict}`);
    if (fell(ratio)) process.exitCode = 1;
  }
}

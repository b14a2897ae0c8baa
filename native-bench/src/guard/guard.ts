import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { INPUT_TREES } from '../input-trees.js';
import { measureInTurn } from '../measure.js';
import { RESULTS_DIR } from '../paths.js';
import { GUARD_PACKAGES, installDebianPackages } from '../prerequisites.js';
import { enterNamespace, mountMemory } from '../scratch.js';
import { pairedRatio } from '../statistics.js';
import { type GuardRow, guardPairs } from './guard-pairs.js';

/** Time of the peer against the time of overlayer, by row. */
type Ratios = Readonly<Partial<Record<GuardRow, number>>>;

interface GuardRecord {
  /** Definition of the inputs. Ratios of different inputs don't compare. */
  readonly input: string;
  /** By the model of the processor. Two models differ by half. */
  readonly ratios: Readonly<Record<string, Ratios>>;
}

const FILE = join(RESULTS_DIR, 'guard.json');
const LARGEST_FALL = 0.2;

const { values: flags } = parseArgs({ options: { record: { type: 'boolean', default: false } } });
const dir = enterNamespace();
installDebianPackages(GUARD_PACKAGES);
mountMemory(dir);

const input = [INPUT_TREES.guard.definition, INPUT_TREES['guard-small'].definition].join('; ');
const pairs = guardPairs(dir);
const rows = Object.keys(pairs) as GuardRow[];
const cpu = cpus()[0]!.model;
const recorded = JSON.parse(readFileSync(FILE, 'utf8')) as GuardRecord;
if (flags.record) record();
else compare();

function measureRatio(row: GuardRow): number {
  const { own, peer, rounds } = pairs[row];
  const where = { group: 'guard', input: row, dir, rounds };
  const [ownTimes, peerTimes] = measureInTurn([own, peer], where).map(({ samples }) =>
    samples.map((one) => one.seconds),
  );
  return Number(pairedRatio(peerTimes!, ownTimes!).toFixed(3));
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
  if (all.length === 0)
    throw new Error(`No ratio of "${row}" is recorded: record the ratios again (--record)`);
  return recorded.ratios[cpu]?.[row] ?? Math.min(...all);
}

function compare(): void {
  if (recorded.input !== input) throw new Error('The input has changed: record the ratios again (--record)');
  for (const row of rows) {
    const before = expected(row);
    const fell = (ratio: number) => ratio < before * (1 - LARGEST_FALL);
    const first = measureRatio(row);
    // overlayer needs both cores, most peers need one: another process can make a fall, and seldom does so twice.
    const ratio = fell(first) ? Math.max(first, measureRatio(row)) : first;
    const verdict = fell(ratio) ? `, FELL by more than ${LARGEST_FALL * 100} %` : '';
    console.log(`${row}: ${ratio}×, recorded ${before}×${verdict}`);
    if (fell(ratio)) process.exitCode = 1;
  }
}

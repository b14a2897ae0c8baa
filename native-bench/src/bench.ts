import { parseArgs } from 'node:util';
import { INPUT_TREES, type InputName } from './input-trees.js';
import { describeMachine } from './machine.js';
import { BENCH_PACKAGES, installContainerd, installDebianPackages, installPeers } from './prerequisites.js';
import { barsOf, writeBars, writeReport, writeReportAgain } from './report/write-report.js';
import { emptyResults } from './results.js';
import { enterNamespace, mountMemory } from './scratch.js';
import { DEFAULT_TOPICS, PARTS, TOPICS, type Topic } from './topics.js';

const USAGE = `npm run bench -- [--only NAME,…] [--rounds N] [--inputs rootfs,node-modules,toolchain] [--report]
topics, with results of their own: ${Object.keys(TOPICS).join(', ')} (without --only: ${DEFAULT_TOPICS.join(', ')})
parts of topics, with results/partial.*: ${Object.keys(PARTS).join(', ')}
--report: measures nothing, and writes tables and charts from results/*.json again`;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    inputs: { type: 'string', default: 'rootfs,node-modules,toolchain' },
    only: { type: 'string', default: DEFAULT_TOPICS.join(',') },
    report: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (flags.help) {
  console.log(USAGE);
  process.exit();
}
const topics: Readonly<Record<string, Topic>> = TOPICS;
const names = flags.only.split(',');
const inputs = flags.inputs.split(',');
const unknown = [
  ...names.filter((name) => !(name in topics || name in PARTS)),
  ...inputs.filter((name) => !(name in INPUT_TREES)),
];
if (unknown.length > 0) {
  console.error(`No such name: ${unknown.join(', ')}\n${USAGE}`);
  process.exit(2);
}
if (flags.report) for (const name of names) writeReportAgain(name);
else await measureAll();
writeBars(DEFAULT_TOPICS);
console.log(barsOf(names.map(nameOfResults)));

async function measureAll(): Promise<void> {
  const start = performance.now();
  const dir = enterNamespace();
  installDebianPackages(BENCH_PACKAGES);
  installPeers();
  installContainerd();
  mountMemory(dir);
  const machine = describeMachine();
  for (const name of names) {
    const results = emptyResults(machine, Number(flags.rounds));
    const measure = topics[name] ?? PARTS[name]!;
    await measure(results, dir, inputs as InputName[]);
    // An error in the next topic must lose nothing.
    writeReport(nameOfResults(name), results);
    const minutes = (performance.now() - start) / 60_000;
    console.error(`${name}: measured, ${minutes.toFixed(1)} minutes after the start`);
  }
}

/** Parts replace no results that the documents show. */
function nameOfResults(name: string): string {
  return name in topics ? name : 'partial';
}

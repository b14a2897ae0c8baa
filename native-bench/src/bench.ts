import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bars } from './bars.js';
import { measureErofsImages, measureErofsLayers } from './erofs/measure-erofs.js';
import { measureExplore } from './explore/measure-explore.js';
import { type GroupContext, INPUT_GROUPS, SIZE_GROUPS, STORE_GROUPS } from './groups.js';
import { measureImage } from './image.js';
import { INPUT_TREES, type InputName } from './input-trees.js';
import { describeLayer, loadLayer, unloadLayer } from './inputs.js';
import { describeMachine } from './machine.js';
import { RESULTS_DIR } from './paths.js';
import { BENCH_PACKAGES, installDebianPackages, installPeers } from './prerequisites.js';
import { chart } from './report/chart.js';
import { markdown } from './report/markdown.js';
import type { Results } from './results.js';
import { enterNamespace, mountMemory } from './scratch.js';
import { measureWayBack } from './way-back/measure-way-back.js';

/** What has results of its own. */
const OWN_RUNS = {
  image: (results: Results, dir: string) => measureImage(results, dir, 'image'),
  daemon: (results: Results, dir: string) => measureImage(results, dir, 'daemon'),
  erofs: measureErofsLayers,
  'erofs-image': measureErofsImages,
  'way-back': measureWayBack,
  explore: measureExplore,
};
const GROUPS = [
  ...Object.keys({ ...INPUT_GROUPS, ...SIZE_GROUPS, ...STORE_GROUPS }),
  ...Object.keys(OWN_RUNS),
];
const USAGE = `npm run bench -- [--rounds N] [--inputs rootfs,node-modules,toolchain] [--only GROUP] [--quick]
groups: ${GROUPS.join(', ')}
--quick: rootfs alone, 3 rounds, without the slow peers`;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string' },
    inputs: { type: 'string' },
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (flags.help) {
  console.log(USAGE);
  process.exit();
}
if (flags.only !== undefined && !GROUPS.includes(flags.only)) {
  console.error(`No such group: ${flags.only}\n${USAGE}`);
  process.exit(2);
}
const quick = flags.quick;
const rounds = Number(flags.rounds ?? (quick ? 3 : 5));
const inputs = (flags.inputs ?? (quick ? 'rootfs' : 'rootfs,node-modules,toolchain')).split(',');
const isWhole = flags.only === undefined && flags.inputs === undefined && !quick;

const dir = enterNamespace();
installDebianPackages(BENCH_PACKAGES);
installPeers();
mountMemory(dir);

const results: Results = {
  date: new Date().toISOString().slice(0, 10),
  machine: describeMachine(),
  rounds,
  inputs: [],
  measurements: [],
  eventLoop: [],
  snapshots: [],
  calls: [],
  removals: [],
  reads: [],
};
for (const name of inputs) measureLayer(name, selected(INPUT_GROUPS));
for (const group of selected(SIZE_GROUPS))
  for (const name of group.inputs) if (!quick || name !== 'large') measureLayer(name, [group.measure]);
for (const measure of selected(STORE_GROUPS)) results.snapshots.push(...measure(dir, rounds, quick));
if (isWhole) measureImage(results, dir);
else if (flags.only !== undefined && isOwnRun(flags.only)) OWN_RUNS[flags.only](results, dir);
report();

/** A part of the groups on layers replaces no results that the README shows. */
function nameOfRun(): string {
  if (isWhole) return 'bench';
  if (flags.only !== undefined && isOwnRun(flags.only)) return flags.only;
  return quick && flags.only === undefined ? 'quick' : 'partial';
}

function isOwnRun(name: string): name is keyof typeof OWN_RUNS {
  return name in OWN_RUNS;
}

function measureLayer(name: string, groups: readonly ((context: GroupContext) => void)[]): void {
  if (!(name in INPUT_TREES)) throw new Error(`No such input: ${name}\n${USAGE}`);
  if (groups.length === 0) return;
  const layer = loadLayer(name as InputName, dir);
  if (results.inputs.every((input) => input.name !== name)) results.inputs.push(describeLayer(layer));
  for (const measure of groups) measure({ results, layer, dir, rounds, quick });
  unloadLayer(layer);
}

function selected<T>(groups: Readonly<Record<string, T>>): T[] {
  return Object.entries(groups).flatMap(([name, group]) => ((flags.only ?? name) === name ? [group] : []));
}

function report(): void {
  const file = (suffix: string) => join(RESULTS_DIR, `${nameOfRun()}.${suffix}`);
  const text = markdown(results);
  mkdirSync(RESULTS_DIR, { recursive: true });
  writeFileSync(file('md'), text);
  writeFileSync(file('json'), `${JSON.stringify({ ...results, bars: bars(results) }, undefined, 1)}\n`);
  writeFileSync(file('svg'), chart(results));
  console.log(text);
}

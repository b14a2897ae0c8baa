import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  diskContenders,
  gzipContenders,
  memoryContenders,
  startUpContenders,
  tarContenders,
  zstdContenders,
} from './contenders.js';
import { diffContenders, makeDiffInput } from './diff-contenders.js';
import { measureEventLoop } from './event-loop.js';
import type { Layer } from './inputs.js';
import { type Contender, measureInTurn } from './measure.js';
import { writeOciLayout } from './oci-layout.js';
import type { Results } from './results.js';
import { run } from './run.js';
import { mountDisk } from './scratch.js';
import { measureSnapshots } from './snapshots.js';

export interface GroupContext {
  readonly results: Results;
  readonly layer: Layer;
  /** A directory in memory. */
  readonly dir: string;
  readonly rounds: number;
  readonly quick: boolean;
}

/** What is measured on each of the three real inputs. */
export const INPUT_GROUPS = {
  gzip(context) {
    const layout = join(context.dir, 'layout');
    writeOciLayout(layout, [context.layer]);
    // The slow peers take minutes for each run on the others.
    const quick = context.quick || context.layer.name !== 'rootfs';
    measure('gzip', gzipContenders(context.layer, layout, quick), context);
    run(['rm', '-r', layout]);
  },
  zstd(context) {
    measure('zstd', zstdContenders(context.layer, context.quick), context);
  },
  tar(context) {
    const tree = join(context.dir, 'tree');
    mkdirSync(tree);
    run(['tar', '-xf', context.layer.file('tar'), '-C', tree]);
    measure('tar', tarContenders(context.layer, tree, context.quick), context);
    run(['rm', '-r', tree]);
  },
  disk(context) {
    const disk = join(context.dir, 'disk');
    mountDisk(disk);
    measure('disk', diskContenders(context.layer), { ...context, dir: disk });
    run(['umount', disk]);
  },
  diff(context) {
    const input = makeDiffInput(context.layer, context.dir);
    measure('diff', diffContenders(input), context);
    run(['rm', '-r', input.root]);
  },
  loop({ results, layer, dir, rounds }) {
    results.eventLoop.push(...measureEventLoop(layer, dir, rounds));
  },
} satisfies Record<string, (context: GroupContext) => void>;

/** What is measured on layers of chosen sizes; a quick run leaves the large one out. */
export const SIZE_GROUPS = {
  memory: {
    inputs: ['small', 'large'],
    measure: (context: GroupContext) => measure('memory', memoryContenders(context.layer), context),
  },
  startup: {
    inputs: ['tiny'],
    // Short, so that more of them are needed, and cost nothing.
    measure: (context: GroupContext) =>
      measure('startup', startUpContenders(context.layer), { ...context, rounds: context.rounds * 4 }),
  },
} as const;

/** What needs no layer. */
export const STORE_GROUPS = { snapshots: measureSnapshots } as const;

function measure(
  group: string,
  contenders: readonly Contender[],
  { results, layer, dir, rounds }: GroupContext,
): void {
  results.measurements.push(...measureInTurn(contenders, { group, input: layer.name, dir, rounds }));
}

import { join } from 'node:path';
import { type LayerGroup, measureLayer } from '../layers/measure-layers.js';
import { run } from '../run.js';
import { mountDisk } from '../scratch.js';
import { diffContenders, makeDiffInput } from './diff-contenders.js';
import { diskContenders, memoryContenders } from './engine-contenders.js';
import { measureEventLoop } from './event-loop.js';

/** Groups on the same inputs as the layers, besides the speed in memory. */
export const ENGINE_GROUPS = {
  disk(context) {
    const disk = join(context.dir, 'disk');
    mountDisk(disk);
    measureLayer('disk', diskContenders(context.layer), { ...context, dir: disk });
    run(['umount', disk]);
  },
  diff(context) {
    const input = makeDiffInput(context.layer, context.dir);
    measureLayer('diff', diffContenders(input), context);
    run(['rm', '-r', input.root]);
  },
  loop({ results, layer, dir }) {
    results.eventLoop.push(...measureEventLoop(layer, dir, results.rounds));
  },
} satisfies Readonly<Record<string, LayerGroup>>;

/** A small layer and a large one take the same memory. */
export const MEMORY_INPUTS = ['small', 'large'] as const;

export const measureMemory: LayerGroup = (context) =>
  measureLayer('memory', memoryContenders(context.layer), context);

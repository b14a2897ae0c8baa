import { ENGINE_GROUPS, MEMORY_INPUTS, measureMemory } from './engine/engine-groups.js';
import { measureSnapshots } from './engine/snapshots.js';
import { measureErofsImages, measureErofsLayers } from './erofs/measure-erofs.js';
import { measureExplore } from './explore/measure-explore.js';
import { measureImages } from './image/measure-image.js';
import type { InputName } from './input-trees.js';
import { LAYER_GROUPS, measureLayers } from './layers/measure-layers.js';
import { measureNetwork } from './network/measure-network.js';
import type { Results } from './results.js';
import { measureStart } from './start/measure-start.js';
import { measureWayBack } from './way-back/measure-way-back.js';

/** Measures one topic. @param dir in memory @param inputs of the groups that take any layer */
export type Topic = (results: Results, dir: string, inputs: readonly InputName[]) => void | Promise<void>;

/** Each has results of its own: `results/TOPIC.{md,json,svg}`. */
export const TOPICS = {
  start: measureStart,
  layers: (results, dir, inputs) => measureLayers(results, dir, inputs, Object.values(LAYER_GROUPS)),
  image: measureImages,
  network: measureNetwork,
  engine(results, dir, inputs) {
    measureLayers(results, dir, inputs, Object.values(ENGINE_GROUPS));
    measureLayers(results, dir, MEMORY_INPUTS, [measureMemory]);
    results.snapshots.push(...measureSnapshots(dir, results.rounds));
  },
  erofs: measureErofsLayers,
  'erofs-image': measureErofsImages,
  'way-back': measureWayBack,
  explore: measureExplore,
} satisfies Readonly<Record<string, Topic>>;

/** Topics of a run without --only. */
export const DEFAULT_TOPICS = ['start', 'layers', 'image', 'network'] as const;

/** Parts of topics. */
export const PARTS: Readonly<Record<string, Topic>> = Object.fromEntries(
  Object.entries({ ...LAYER_GROUPS, ...ENGINE_GROUPS }).map(([name, group]): [string, Topic] => [
    name,
    (results, dir, inputs) => measureLayers(results, dir, inputs, [group]),
  ]),
);

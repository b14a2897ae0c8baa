import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeOciLayout } from '../image/oci-layout.js';
import type { InputName } from '../input-trees.js';
import { describeLayer, type Layer, loadLayer, unloadLayer } from '../inputs.js';
import { type Contender, measureInTurn } from '../measure.js';
import type { Results } from '../results.js';
import { run } from '../run.js';
import { gzipContenders, tarContenders, zstdContenders } from './layer-contenders.js';

export interface LayerContext {
  readonly results: Results;
  readonly layer: Layer;
  /** A directory in memory. */
  readonly dir: string;
}

export type LayerGroup = (context: LayerContext) => void;

/** A layer in each of its forms into a tree in memory. */
export const LAYER_GROUPS = {
  gzip(context) {
    const layout = join(context.dir, 'layout');
    writeOciLayout(layout, [context.layer]);
    measureLayer('gzip', gzipContenders(context.layer, layout, !hasSlowPeers(context)), context);
    run(['rm', '-r', layout]);
  },
  zstd(context) {
    measureLayer('zstd', zstdContenders(context.layer, !hasSlowPeers(context)), context);
  },
  tar(context) {
    const tree = join(context.dir, 'tree');
    mkdirSync(tree);
    run(['tar', '-xf', context.layer.file('tar'), '-C', tree]);
    measureLayer('tar', tarContenders(context.layer, tree, !hasSlowPeers(context)), context);
    run(['rm', '-r', tree]);
  },
} satisfies Readonly<Record<string, LayerGroup>>;

/** On other inputs they take minutes. */
function hasSlowPeers({ layer }: LayerContext): boolean {
  return layer.name === 'rootfs';
}

export function measureLayer(
  group: string,
  contenders: readonly Contender[],
  { results, layer, dir, rounds = results.rounds }: LayerContext & { readonly rounds?: number },
): void {
  results.measurements.push(...measureInTurn(contenders, { group, input: layer.name, dir, rounds }));
}

/** Measures each group on each input. */
export function measureLayers(
  results: Results,
  dir: string,
  inputs: readonly InputName[],
  groups: readonly LayerGroup[],
): void {
  for (const name of inputs) {
    const layer = loadLayer(name, dir);
    if (results.inputs.every((input) => input.name !== name)) results.inputs.push(describeLayer(layer));
    for (const measure of groups) measure({ results, layer, dir });
    unloadLayer(layer);
  }
}

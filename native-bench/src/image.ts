import { join } from 'node:path';
import { imageContenders } from './contenders.js';
import type { InputName } from './input-trees.js';
import { type Layer, loadLayer, unloadLayer } from './inputs.js';
import { measureInTurn } from './measure.js';
import { writeOciLayout } from './oci-layout.js';
import type { Results } from './results.js';
import { run } from './run.js';
import { mountDisk } from './scratch.js';

const LAYERS: readonly InputName[] = ['rootfs', 'toolchain', 'node-modules', 'guard', 'small'];
/** Peers take half a minute each. */
const ROUNDS = 3;

/** A whole image into snapshots, on a disk of its own; `dir` is in memory, and holds the image. */
export function measureImage(results: Results, dir: string): void {
  const layers = LAYERS.map((name) => loadLayer(name, dir, ['tar', 'gzip']));
  const layout = join(dir, 'layout');
  const archive = join(dir, 'image.tar');
  writeOciLayout(layout, layers);
  run(['tar', '-C', layout, '-cf', archive, '.']);
  results.inputs.push({
    name: 'image',
    definition: `five layers: ${LAYERS.join(', ')}`,
    entries: sum(layers, ({ entries }) => entries),
    bytes: sum(layers, ({ bytes }) => bytes),
    gzipBytes: Number(run(['stat', '-c', '%s', archive])),
    zstdBytes: undefined,
  });
  const disk = join(dir, 'disk');
  mountDisk(disk);
  const where = { group: 'image', input: 'image', dir: disk, rounds: Math.min(results.rounds, ROUNDS) };
  results.measurements.push(...measureInTurn(imageContenders(layout, archive, layers), where));
  run(['umount', disk]);
  run(['rm', '-r', layout, archive]);
  for (const layer of layers) unloadLayer(layer);
}

function sum(layers: readonly Layer[], count: (layer: Layer) => number): number {
  return layers.reduce((total, layer) => total + count(layer), 0);
}

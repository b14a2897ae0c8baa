import { join } from 'node:path';
import { measureDaemon } from './daemon.js';
import { imageContenders, pullContenders } from './image-contenders.js';
import type { InputName } from './input-trees.js';
import { type Layer, loadLayer, unloadLayer } from './inputs.js';
import { measureInTurn } from './measure.js';
import { writeOciLayout } from './oci-layout.js';
import { startRegistry } from './registry.js';
import type { Results } from './results.js';
import { run } from './run.js';
import { mountDisk } from './scratch.js';

const LAYERS: readonly InputName[] = ['rootfs', 'toolchain', 'node-modules', 'guard', 'small'];
/** Peers take half a minute each. */
const ROUNDS = 3;

/** A whole image into a store, on a disk of its own, from a layout and from a registry; `dir` is in memory, and holds the image. */
export function measureImage(results: Results, dir: string, only?: string): void {
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
  const rounds = Math.min(results.rounds, ROUNDS);
  if (only !== 'daemon') measureStores(results, { dir, disk, layout, archive, layers, rounds });
  if (only !== 'image') measureDaemon(results, archive, disk, rounds);
  run(['umount', disk]);
  run(['rm', '-r', layout, archive]);
  for (const layer of layers) unloadLayer(layer);
}

interface ImageFiles {
  readonly dir: string;
  readonly disk: string;
  readonly layout: string;
  readonly archive: string;
  readonly layers: readonly Layer[];
  readonly rounds: number;
}

function measureStores(results: Results, { dir, disk, layout, archive, layers, rounds }: ImageFiles): void {
  const where = { input: 'image', dir: disk, rounds };
  const imports = imageContenders(layout, archive, layers);
  results.measurements.push(...measureInTurn(imports, { ...where, group: 'image' }));
  const blobs = join(dir, 'registry');
  const registry = startRegistry(blobs, layout);
  try {
    const pulls = pullContenders(registry.reference, layers);
    results.measurements.push(...measureInTurn(pulls, { ...where, group: 'pull' }));
  } finally {
    registry.stop();
  }
  run(['rm', '-r', blobs]);
}

function sum(layers: readonly Layer[], count: (layer: Layer) => number): number {
  return layers.reduce((total, layer) => total + count(layer), 0);
}

import { join } from 'node:path';
import { callTimes, OVERLAYER_ADDRESS } from '../daemon.js';
import { type ImageName, loadImage, unloadImage } from '../image-files.js';
import { describeLayer, loadLayer, unloadLayer } from '../inputs.js';
import { measureInTurn } from '../measure.js';
import { installErofsPeers } from '../prerequisites.js';
import type { Results } from '../results.js';
import { run } from '../run.js';
import { mountDisk } from '../scratch.js';
import { fileContenders } from './file-contenders.js';
import { erofsImageContenders } from './image-contenders.js';
import { BACKENDS, measureRemoval } from './removal.js';
import { measureRootReads } from './root-reads.js';

const LAYERS = ['many-files', 'large-files'] as const;
const IMAGES = ['many files', 'large files'] as const satisfies readonly ImageName[];
/** Peers take half a minute each for an image. */
const IMAGE_ROUNDS = 3;

/** Layers as EROFS files: made, removed, mounted and read. `dir` is in memory; a disk of its own is mounted below. */
export function measureErofs(results: Results, dir: string): void {
  installErofsPeers();
  const disk = join(dir, 'disk');
  mountDisk(disk, { direct: true });
  const imageRounds = Math.min(results.rounds, IMAGE_ROUNDS);
  for (const name of LAYERS) measureLayer(results, name, dir, disk);
  for (const name of IMAGES) measureImage(results, name, { dir, disk, rounds: imageRounds });
  for (const backend of BACKENDS)
    results.calls.push(
      callTimes(disk, { name: backend, snapshotter: 'overlayer', address: OVERLAYER_ADDRESS, backend }),
    );
  run(['umount', disk]);
}

function measureLayer(results: Results, name: (typeof LAYERS)[number], dir: string, disk: string): void {
  const layer = loadLayer(name, dir, ['tar', 'gzip']);
  results.inputs.push(describeLayer(layer));
  const where = { input: name, rounds: results.rounds };
  for (const [group, place] of [
    ['erofs-memory', dir],
    ['erofs-disk', disk],
  ] as const)
    results.measurements.push(
      ...measureInTurn(fileContenders(layer, place === disk), { ...where, group, dir: place }),
    );
  unloadLayer(layer);
}

function measureImage(
  results: Results,
  name: (typeof IMAGES)[number],
  { dir, disk, rounds }: { readonly dir: string; readonly disk: string; readonly rounds: number },
): void {
  const image = loadImage(name, dir);
  results.inputs.push(image.size);
  const contenders = erofsImageContenders(image.layout, image.archive, image.layers);
  results.measurements.push(
    ...measureInTurn(contenders, { group: 'erofs-image', input: name, dir: disk, rounds }),
  );
  results.removals.push(...measureRemoval(name, image.layout, disk, rounds));
  results.reads.push(...measureRootReads(name, image.layout, disk, rounds));
  unloadImage(image);
}

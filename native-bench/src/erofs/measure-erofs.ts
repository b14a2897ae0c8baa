import { join } from 'node:path';
import { measureBackendCalls } from '../image/daemon.js';
import { type ImageName, loadImage, unloadImage } from '../image/image-files.js';
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

/** Layers as EROFS files. @param dir in memory */
export function measureErofsLayers(results: Results, dir: string): void {
  const disk = mountErofsDisk(dir);
  for (const name of LAYERS) {
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
  run(['umount', disk]);
}

/** Images in a store of EROFS files: imported, read, removed; and the calls of its daemon. @param dir in memory */
export function measureErofsImages(results: Results, dir: string): void {
  const disk = mountErofsDisk(dir);
  const rounds = Math.min(results.rounds, IMAGE_ROUNDS);
  for (const name of IMAGES) {
    const image = loadImage(name, dir);
    results.inputs.push(image.size);
    const contenders = erofsImageContenders(image.layout, image.archive, image.layers);
    const where = { group: 'erofs-image', input: name, dir: disk, rounds };
    results.measurements.push(...measureInTurn(contenders, where));
    results.removals.push(...measureRemoval(name, image.layout, disk, rounds));
    results.reads.push(...measureRootReads(name, image.layout, disk, rounds));
    unloadImage(image);
  }
  results.calls.push(...BACKENDS.map((backend) => measureBackendCalls(disk, backend)));
  run(['umount', disk]);
}

/** The page cache of no other file system lies under it. */
function mountErofsDisk(dir: string): string {
  installErofsPeers();
  const disk = join(dir, 'disk');
  mountDisk(disk, { direct: true });
  return disk;
}

import { join } from 'node:path';
import { callTimes, OVERLAYER_ADDRESS } from '../daemon.js';
import { type ImageFiles, type ImageName, loadImage, unloadImage } from '../image-files.js';
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

/** Layers as EROFS files, one by one: made, removed, mounted and read. @param dir in memory */
export function measureErofs(results: Results, dir: string): void {
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
  measureImages(results, dir, ({ layout, size }, rounds) => {
    results.removals.push(...measureRemoval(size.name, layout, disk, rounds));
    results.reads.push(...measureRootReads(size.name, layout, disk, rounds));
  });
  for (const backend of BACKENDS)
    results.calls.push(
      callTimes(disk, { name: backend, snapshotter: 'overlayer', address: OVERLAYER_ADDRESS, backend }),
    );
  run(['umount', disk]);
}

/** Whole images into a store of EROFS files, and into those of others. @param dir in memory */
export function measureErofsImages(results: Results, dir: string): void {
  const disk = mountErofsDisk(dir);
  measureImages(results, dir, ({ layout, archive, layers, size }, rounds) => {
    const contenders = erofsImageContenders(layout, archive, layers);
    const where = { group: 'erofs-image', input: size.name, dir: disk, rounds };
    results.measurements.push(...measureInTurn(contenders, where));
  });
  run(['umount', disk]);
}

/** The page cache of no other file system lies under it. */
function mountErofsDisk(dir: string): string {
  installErofsPeers();
  const disk = join(dir, 'disk');
  mountDisk(disk, { direct: true });
  return disk;
}

function measureImages(
  results: Results,
  dir: string,
  measure: (image: ImageFiles, rounds: number) => void,
): void {
  for (const name of IMAGES) {
    const image = loadImage(name, dir);
    results.inputs.push(image.size);
    measure(image, Math.min(results.rounds, IMAGE_ROUNDS));
    unloadImage(image);
  }
}

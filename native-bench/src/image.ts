import { join } from 'node:path';
import { measureDaemon } from './daemon.js';
import { imageContenders, pullContenders } from './image-contenders.js';
import { type ImageFiles, loadImage, unloadImage } from './image-files.js';
import { measureInTurn } from './measure.js';
import { startRegistry } from './registry.js';
import type { Results } from './results.js';
import { run } from './run.js';
import { mountDisk } from './scratch.js';

/** Peers take half a minute each. */
const ROUNDS = 3;

/** A whole image into a store, on a disk of its own, from a layout and from a registry; `dir` is in memory, and holds the image. */
export function measureImage(results: Results, dir: string, only?: string): void {
  const image = loadImage('image', dir);
  results.inputs.push(image.size);
  const disk = join(dir, 'disk');
  mountDisk(disk);
  const rounds = Math.min(results.rounds, ROUNDS);
  if (only !== 'daemon') measureStores(results, image, { dir, disk, rounds });
  if (only !== 'image') measureDaemon(results, image.archive, disk, rounds);
  run(['umount', disk]);
  unloadImage(image);
}

function measureStores(
  results: Results,
  { layout, archive, layers }: ImageFiles,
  { dir, disk, rounds }: { readonly dir: string; readonly disk: string; readonly rounds: number },
): void {
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

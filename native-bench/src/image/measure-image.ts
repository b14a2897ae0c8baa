import { join } from 'node:path';
import { measureInTurn } from '../measure.js';
import type { Results } from '../results.js';
import { run } from '../run.js';
import { mountDisk } from '../scratch.js';
import { measureCalls } from './daemon.js';
import { imageContenders, pullContenders } from './image-contenders.js';
import { type ImageName, loadImage, unloadImage } from './image-files.js';
import { startRegistry } from './registry.js';

/** An import of an image takes 5 to 30 s. */
const ROUNDS = 3;

/** Whole images into a store on a disk: of many small files, also from a registry, and of few large ones. @param dir in memory */
export function measureImages(results: Results, dir: string): void {
  const disk = join(dir, 'disk');
  mountDisk(disk);
  measureStores(results, 'image', { dir, disk, groups: ['image', 'pull'] });
  measureStores(results, 'toolchains', { dir, disk, groups: ['image'] });
  results.calls.push(...measureCalls(disk));
  run(['umount', disk]);
}

interface StoreOptions {
  readonly dir: string;
  readonly disk: string;
  readonly groups: readonly ('image' | 'pull')[];
}

function measureStores(results: Results, input: ImageName, { dir, disk, groups }: StoreOptions): void {
  const image = loadImage(input, dir);
  const { layout, archive, layers } = image;
  results.inputs.push(image.size);
  const where = { input, dir: disk, rounds: Math.min(results.rounds, ROUNDS) };
  const imports = imageContenders(layout, archive, layers);
  results.measurements.push(...measureInTurn(imports, { ...where, group: 'image' }));
  if (groups.includes('pull')) {
    using registry = startRegistry(join(dir, 'registry'));
    const pulls = pullContenders(registry.push(layout, 'image'), layers);
    results.measurements.push(...measureInTurn(pulls, { ...where, group: 'pull' }));
  }
  unloadImage(image);
}

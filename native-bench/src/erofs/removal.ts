import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { overlayerInto } from '../image/image-contenders.js';
import { script } from '../paths.js';
import { run } from '../run.js';
import { median } from '../statistics.js';

export const BACKENDS = ['erofs', 'overlay'] as const;
export type Backend = (typeof BACKENDS)[number];

/** How long the removal of an image and of its layers takes. */
export interface Removal {
  readonly backend: Backend;
  readonly input: string;
  readonly milliseconds: readonly number[];
}

/** @param disk the file system of the store */
export function measureRemoval(input: string, layout: string, disk: string, rounds: number): Removal[] {
  const dest = join(disk, 'dest');
  const times: Record<Backend, number[]> = { erofs: [], overlay: [] };
  for (let round = 0; round < rounds; round += 1)
    for (const backend of BACKENDS) {
      mkdirSync(dest);
      importImage(backend, layout, dest);
      run(['sync', '--file-system', disk]);
      times[backend].push(Number(run([...script('remove-image'), join(dest, 'root'), 'image'])));
      run(['rm', '-rf', dest]);
    }
  return BACKENDS.map((backend) => {
    console.error(
      `removal  ${input.padEnd(13)} ${backend.padEnd(28)} ${median(times[backend]).toFixed(1)} ms`,
    );
    return { backend, input, milliseconds: times[backend] };
  });
}

/** An image into the store `root` below `dest`, as `image`. */
export function importImage(backend: Backend, layout: string, dest: string): void {
  const command = overlayerInto('import', '--name', 'image', '--backend', backend, '--discard-blobs', layout);
  run(command(dest));
}

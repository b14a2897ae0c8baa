import { join } from 'node:path';
import { loadImage } from '../image/image-files.js';
import { startRegistry } from '../image/registry.js';
import { describeLayer } from '../inputs.js';
import { type Contender, measureInTurn } from '../measure.js';
import type { Results } from '../results.js';
import { run } from '../run.js';
import { commitContenders } from './commit-contenders.js';
import { convertContenders, pushContenders } from './send-contenders.js';
import { makeStores } from './stores.js';
import { WAY_BACK_INPUTS, type WayBackGroup } from './way-back-bars.js';

/** An image of five layers is pushed and converted, and a change of a container is committed. */
export function measureWayBack(results: Results, dir: string): void {
  const image = loadImage('image', dir);
  const toolchain = image.layers.find(({ name }) => name === 'toolchain')!;
  results.inputs.push(image.size, describeLayer(toolchain));
  const stores = makeStores(dir, image);
  const where = { dir, rounds: Math.min(results.rounds, 3) };
  const measure = (group: WayBackGroup, contenders: readonly Contender[]) =>
    results.measurements.push(
      ...measureInTurn(contenders, { ...where, group, input: WAY_BACK_INPUTS[group] }),
    );
  {
    using registry = startRegistry(join(dir, 'registry'));
    measure('push', pushContenders(stores, registry));
  }
  measure('convert-zstd', convertContenders(stores, 'zstd'));
  measure('convert-gzip', convertContenders(stores, 'gzip'));
  // The memory disk has no room for these and for all commits.
  run(['rm', '-r', stores.zstdLayout, stores.containerd, image.archive]);
  measure('commit', commitContenders(stores, toolchain));
  // Mounts and files go with the namespace of this program.
}

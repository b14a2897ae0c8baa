import { join } from 'node:path';
import { overlayerInto } from '../image/image-contenders.js';
import { writeOciLayout } from '../image/oci-layout.js';
import { describeLayer, loadLayer, unloadLayer } from '../inputs.js';
import { measureInTurn } from '../measure.js';
import type { Results } from '../results.js';
import { run } from '../run.js';
import { nodeReleases } from './nodes.js';
import { measureSmallLayers } from './small-layers.js';
import { startContenders } from './start-contenders.js';

/** The runs are short, and many rounds cost little. */
const MOST_ROUNDS = 20;

/** Small layers and short commands on each release of Node.js. @param dir in memory */
export function measureStart(results: Results, dir: string): void {
  const nodes = nodeReleases();
  const layer = loadLayer('tiny', dir);
  results.inputs.push(describeLayer(layer));
  const layout = join(dir, 'layout');
  const store = join(dir, 'store');
  writeOciLayout(layout, [layer]);
  run(overlayerInto('import', '--name', 'image', layout)(store));
  for (const node of nodes) {
    const contenders = startContenders(node, layer, join(store, 'root'));
    const where = {
      group: 'start',
      input: node.name,
      dir,
      rounds: Math.min(results.rounds * 7, MOST_ROUNDS),
    };
    results.measurements.push(...measureInTurn(contenders, where));
  }
  results.smallLayers.push(...measureSmallLayers(nodes, layer, dir, results.rounds));
  run(['rm', '-r', layout, store]);
  unloadLayer(layer);
}

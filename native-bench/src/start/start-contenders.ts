import type { Layer } from '../inputs.js';
import type { Contender } from '../measure.js';
import { overlayerOn } from '../paths.js';
import type { NodeRelease } from './nodes.js';

export const NODE = 'node -e 0';
export const VERSION = 'overlayer --version';
export const IMAGES = 'overlayer images ls';
export const UNPACK = 'overlayer unpack, 1 MB of gzip';

/** Short commands on a release of Node.js. @param root a store that holds one image */
export function startContenders({ path }: NodeRelease, layer: Layer, root: string): Contender[] {
  const overlayer = overlayerOn(path);
  const file = layer.file('gzip');
  return [
    { name: NODE, limit: true, command: () => [path, '-e', '0'] },
    { name: VERSION, command: () => [...overlayer, '--version'] },
    { name: IMAGES, command: () => [...overlayer, 'images', 'ls', '--root', root] },
    { name: UNPACK, command: (dest) => [...overlayer, 'unpack', file, dest] },
    { name: 'tar -xzf, 1 MB of gzip', command: (dest) => ['tar', '-xzf', file, '-C', dest] },
  ];
}

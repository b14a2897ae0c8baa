import type { Layer } from '../inputs.js';
import { overlayer, UNPACK, ZLIB } from '../layers/layer-contenders.js';
import type { Contender } from '../measure.js';
import { shell } from '../run.js';

/** All results are durable: overlayer syncs by itself, and `sync --file-system` follows the others. */
export function diskContenders(layer: Layer): Contender[] {
  const gzip = layer.file('gzip');
  const tar = layer.file('tar');
  return [
    { name: 'overlayer', command: (dest) => [...UNPACK, gzip, dest] },
    { name: 'tar -xzf', command: (dest) => shell(`tar -xzf ${gzip} -C ${dest} && sync -f ${dest}`) },
    {
      name: 'igzip | tar',
      command: (dest) => shell(`igzip -dc ${gzip} | tar -x -C ${dest} && sync -f ${dest}`),
    },
    { name: 'overlayer, not durable', command: (dest) => [...UNPACK, '--no-sync', gzip, dest] },
    { name: 'overlayer, plain tar', command: (dest) => [...UNPACK, tar, dest] },
    { name: 'tar -xf, plain tar', command: (dest) => shell(`tar -xf ${tar} -C ${dest} && sync -f ${dest}`) },
  ];
}

export function memoryContenders(layer: Layer): Contender[] {
  return [
    { name: 'overlayer, gzip', command: overlayer(layer.file('gzip')) },
    { name: 'overlayer, gzip by zlib', command: overlayer(layer.file('gzip')), env: ZLIB },
    { name: 'overlayer, zstd', command: overlayer(layer.file('zstd')) },
    { name: 'overlayer, plain tar', command: overlayer(layer.file('tar')) },
    { name: 'tar -xzf', command: (dest) => ['tar', '-xzf', layer.file('gzip'), '-C', dest] },
  ];
}

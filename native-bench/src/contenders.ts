import { join } from 'node:path';
import type { Layer } from './inputs.js';
import type { Contender } from './measure.js';
import { OVERLAYER, script } from './paths.js';
import { type Command, shell } from './run.js';

const UNPACK = [...OVERLAYER, 'unpack', '--progress', 'none'];
const ZLIB = { OVERLAYER_GZIP: 'zlib' };

/** On a file system in memory there is nothing to flush. */
function overlayer(layer: string, ...flags: string[]): Contender['command'] {
  return (dest) => [...UNPACK, '--no-sync', ...flags, layer, dest];
}

function tool(...words: string[]): Contender['command'] {
  return (dest) => words.map((word) => (word === 'DEST' ? dest : word));
}

function limit(name: string, command: Command): Contender {
  return { name, limit: true, command: () => command };
}

/** `layout` is an OCI layout that holds the gzip layer as image `image`: umoci takes nothing less. */
export function gzipContenders(layer: Layer, layout: string, quick: boolean): Contender[] {
  const file = layer.file('gzip');
  const native: Contender[] = [
    { name: 'overlayer', command: overlayer(file) },
    { name: 'overlayer, zlib', command: overlayer(file), env: ZLIB },
    { name: 'overlayer, no digests', command: overlayer(file, '--no-digests') },
    { name: 'tar -xzf', command: tool('tar', '-xzf', file, '-C', 'DEST') },
    { name: 'igzip | tar', command: (dest) => shell(`igzip -dc ${file} | tar -x -C ${dest}`) },
    {
      name: 'tar -xf of the plain tar',
      limit: true,
      command: tool('tar', '-xf', layer.file('tar'), '-C', 'DEST'),
    },
    limit('igzip -dc', shell(`igzip -dc ${file} >/dev/null`)),
    limit('gzip -dc', shell(`gzip -dc ${file} >/dev/null`)),
  ];
  if (quick) return native;
  return [
    ...native,
    { name: 'bsdtar', command: tool('bsdtar', '-xf', file, '-C', 'DEST') },
    { name: 'umoci', command: tool('umoci', 'raw', 'unpack', '--image', `${layout}:image`, 'DEST') },
    { name: 'node-tar', command: tool(...script('node-tar'), file, 'DEST') },
    { name: 'tar-fs', command: tool(...script('tar-fs'), file, 'DEST') },
    { name: 'modern-tar', command: tool(...script('modern-tar'), file, 'DEST') },
  ];
}

export function zstdContenders(layer: Layer, quick: boolean): Contender[] {
  const file = layer.file('zstd');
  const native: Contender[] = [
    { name: 'overlayer', command: overlayer(file) },
    { name: 'overlayer, no digests', command: overlayer(file, '--no-digests') },
    { name: 'tar --zstd -xf', command: tool('tar', '--zstd', '-xf', file, '-C', 'DEST') },
    limit('zstd -dc', shell(`zstd -dc ${file} >/dev/null`)),
  ];
  return quick ? native : [...native, { name: 'bsdtar', command: tool('bsdtar', '-xf', file, '-C', 'DEST') }];
}

/** `tree` holds the layer's files, to be copied. */
export function tarContenders(layer: Layer, tree: string, quick: boolean): Contender[] {
  const file = layer.file('tar');
  const native: Contender[] = [
    { name: 'overlayer', command: overlayer(file) },
    { name: 'overlayer, no digests', command: overlayer(file, '--no-digests') },
    { name: 'tar -xf', command: tool('tar', '-xf', file, '-C', 'DEST') },
    { name: 'cp -a of the tree', limit: true, command: tool('cp', '-a', `${tree}/.`, 'DEST') },
  ];
  return quick ? native : [...native, { name: 'bsdtar', command: tool('bsdtar', '-xf', file, '-C', 'DEST') }];
}

/** Everyone makes the result durable: overlayer by itself, the others by `sync --file-system`. */
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
    { name: 'tar -xzf', command: tool('tar', '-xzf', layer.file('gzip'), '-C', 'DEST') },
  ];
}

export function startUpContenders(layer: Layer): Contender[] {
  return [
    { name: 'node -e 0', limit: true, command: () => [process.execPath, '-e', '0'] },
    { name: 'overlayer --version', command: () => [...OVERLAYER, '--version'] },
    { name: 'tar --version', command: () => ['tar', '--version'] },
    { name: 'overlayer, 1 MB of gzip', command: overlayer(layer.file('gzip')) },
    { name: 'tar -xzf, 1 MB of gzip', command: tool('tar', '-xzf', layer.file('gzip'), '-C', 'DEST') },
  ];
}

export function guardContenders(layer: Layer): Readonly<Record<GuardRow, readonly [Contender, Contender]>> {
  const gzip = layer.file('gzip');
  const zstd = layer.file('zstd');
  const tar = layer.file('tar');
  const byTar = { name: 'tar -xzf', command: tool('tar', '-xzf', gzip, '-C', 'DEST') };
  return {
    'gzip, libisal': [{ name: 'overlayer', command: overlayer(gzip) }, byTar],
    'gzip, zlib': [{ name: 'overlayer', command: overlayer(gzip), env: ZLIB }, byTar],
    'gzip to erofs': [erofsFile(gzip), byTar],
    zstd: [
      { name: 'overlayer', command: overlayer(zstd) },
      { name: 'tar --zstd -xf', command: tool('tar', '--zstd', '-xf', zstd, '-C', 'DEST') },
    ],
    'plain tar': [
      { name: 'overlayer', command: overlayer(tar) },
      { name: 'tar -xf', command: tool('tar', '-xf', tar, '-C', 'DEST') },
    ],
  };
}

function erofsFile(layer: string): Contender {
  const options = ['--target', 'erofs', '--no-sync'];
  return { name: 'overlayer', command: (dest) => [...UNPACK, ...options, layer, join(dest, 'layer.erofs')] };
}

export type GuardRow = 'gzip, libisal' | 'gzip, zlib' | 'gzip to erofs' | 'zstd' | 'plain tar';

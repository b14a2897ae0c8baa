import type { Layer } from '../inputs.js';
import type { Contender } from '../measure.js';
import { OVERLAYER, script } from '../paths.js';
import { type Command, shell } from '../run.js';

export const UNPACK = [...OVERLAYER, 'unpack', '--progress', 'none'];
export const ZLIB = { OVERLAYER_GZIP: 'zlib' };

/** On a file system in memory there is nothing to flush. */
export function overlayer(layer: string, ...flags: string[]): Contender['command'] {
  return (dest) => [...UNPACK, '--no-sync', ...flags, layer, dest];
}

function tool(...words: string[]): Contender['command'] {
  return (dest) => words.map((word) => (word === 'DEST' ? dest : word));
}

function limit(name: string, command: Command): Contender {
  return { name, limit: true, command: () => command };
}

// Names that the bars compare. overlayer computes the digests of both streams, which are one for a plain tar, so openssl
// does the same beside the peers. igzip | tar is a bar without it.
export const OWN = 'overlayer';
export const UNVERIFIED = 'overlayer, no digests';
export const IGZIP = 'igzip | tar';
export const ZSTD = 'zstd | tar, sha256 of both beside';
export const TAR = 'tar -xf, sha256 beside';
export const TAR_ALONE = 'tar -xf';

/** @param layout an OCI layout with the gzip layer as image `image`, for umoci */
export function gzipContenders(layer: Layer, layout: string, quick: boolean): Contender[] {
  const file = layer.file('gzip');
  const igzip = `igzip -dc ${file}`;
  const native: Contender[] = [
    { name: OWN, command: overlayer(file) },
    { name: 'overlayer, zlib', command: overlayer(file), env: ZLIB },
    { name: UNVERIFIED, command: overlayer(file, '--no-digests') },
    { name: IGZIP, command: (dest) => shell(`${igzip} | tar -x -C ${dest}`) },
    { name: 'igzip | tar, sha256 of both beside', command: (dest) => hashedPipeline(file, igzip, dest) },
    { name: 'tar -xzf', command: tool('tar', '-xzf', file, '-C', 'DEST') },
    {
      name: 'tar -xf of the plain tar',
      limit: true,
      command: tool('tar', '-xf', layer.file('tar'), '-C', 'DEST'),
    },
    limit('igzip -dc', shell(`${igzip} >/dev/null`)),
    limit('gzip -dc', shell(`gzip -dc ${file} >/dev/null`)),
  ];
  if (quick) return native;
  return [
    ...native,
    slow('bsdtar', tool('bsdtar', '-xf', file, '-C', 'DEST')),
    slow('umoci', tool('umoci', 'raw', 'unpack', '--image', `${layout}:image`, 'DEST')),
    slow('node-tar', tool(...script('node-tar'), file, 'DEST')),
    slow('tar-fs', tool(...script('tar-fs'), file, 'DEST')),
    slow('modern-tar', tool(...script('modern-tar'), file, 'DEST')),
  ];
}

export function zstdContenders(layer: Layer, quick: boolean): Contender[] {
  const file = layer.file('zstd');
  const zstd = `zstd -qdc ${file}`;
  const native: Contender[] = [
    { name: OWN, command: overlayer(file) },
    { name: UNVERIFIED, command: overlayer(file, '--no-digests') },
    { name: ZSTD, command: zstdPeer(file) },
    { name: 'zstd | tar', command: (dest) => shell(`${zstd} | tar -x -C ${dest}`) },
    limit('zstd -dc', shell(`${zstd} >/dev/null`)),
  ];
  return quick ? native : [...native, slow('bsdtar', tool('bsdtar', '-xf', file, '-C', 'DEST'))];
}

/** @param tree a directory with the layer's files */
export function tarContenders(layer: Layer, tree: string, quick: boolean): Contender[] {
  const file = layer.file('tar');
  const native: Contender[] = [
    { name: OWN, command: overlayer(file) },
    { name: UNVERIFIED, command: overlayer(file, '--no-digests') },
    { name: TAR, command: tarPeer(file) },
    { name: TAR_ALONE, command: tool('tar', '-xf', file, '-C', 'DEST') },
    { name: 'cp -a of the tree', limit: true, command: tool('cp', '-a', `${tree}/.`, 'DEST') },
  ];
  return quick ? native : [...native, slow('bsdtar', tool('bsdtar', '-xf', file, '-C', 'DEST'))];
}

export function zstdPeer(file: string): Contender['command'] {
  return (dest) => hashedPipeline(file, `zstd -qdc ${file}`, dest);
}

export function tarPeer(file: string): Contender['command'] {
  return (dest) => shell(`openssl sha256 ${file} >/dev/null & tar -xf ${file} -C ${dest} && wait $!`);
}

/** Unpacks the output of `decompress`, and hashes the output and the file at the same time. */
function hashedPipeline(file: string, decompress: string, dest: string): Command {
  return shell(
    `openssl sha256 ${file} >/dev/null & compressed=$!; exec 3> >(openssl sha256 >/dev/null); plain=$!; ` +
      `${decompress} | tee /dev/fd/3 | tar -x -C ${dest} && exec 3>&- && wait $compressed && wait $plain`,
  );
}

function slow(name: string, command: Contender['command']): Contender {
  return { name, slow: true, command };
}

import { join } from 'node:path';
import type { Layer } from '../inputs.js';
import type { Contender } from '../measure.js';
import { OVERLAYER } from '../paths.js';
import { run, shell } from '../run.js';

/** A snapshot that holds a layer, in a root of its own below `dir`. */
export interface DiffInput {
  readonly root: string;
  readonly key: string;
  /** The upperdir. */
  readonly tree: string;
}

export function makeDiffInput(layer: Layer, dir: string): DiffInput {
  const root = join(dir, 'store');
  const snapshots = (command: string, ...args: readonly string[]) =>
    run([...OVERLAYER, 'snapshots', command, '--root', root, ...args]);
  snapshots('unpack', layer.file('tar'), '--key', 'layer', '--backend', 'overlay', '--progress', 'none');
  snapshots('view', 'look', 'layer');
  const [mount] = JSON.parse(snapshots('mounts', '/', 'look', '--json'));
  return { root, key: 'layer', tree: mount.source };
}

/** All write a file, and keep owners, times to the nanosecond and extended attributes. All compute the digests of what they write. */
export function diffContenders({ root, key, tree }: DiffInput): Contender[] {
  const snapshot = ['snapshots', 'diff', key, '--root', root, '--progress', 'none'];
  const overlayer = (name: string) => (dest: string) => [...OVERLAYER, ...snapshot, '-o', join(dest, name)];
  const tar = `tar --format=posix --xattrs --sort=name --numeric-owner -C ${tree} -c .`;
  const compressed = (compress: string, name: string) => (dest: string) =>
    shell(
      `exec 3> >(openssl sha256 >/dev/null); ${tar} | tee /dev/fd/3 | ${compress} | tee ${join(dest, name)} | openssl sha256 >/dev/null`,
    );
  return [
    { name: 'overlayer', command: overlayer('layer.tar') },
    {
      name: 'tar -c, sha256 beside',
      command: (dest) => shell(`${tar} | tee ${join(dest, 'layer.tar')} | openssl sha256 >/dev/null`),
    },
    { name: 'overlayer, gzip', command: overlayer('layer.tar.gz') },
    { name: 'tar -cz, sha256 of both beside', command: compressed('gzip', 'layer.tar.gz') },
    { name: 'overlayer, zstd', command: overlayer('layer.tar.zst') },
    { name: 'tar -c --zstd, sha256 of both beside', command: compressed('zstd -q', 'layer.tar.zst') },
  ];
}

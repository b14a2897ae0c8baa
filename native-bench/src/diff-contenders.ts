import { join } from 'node:path';
import type { Layer } from './inputs.js';
import type { Contender } from './measure.js';
import { OVERLAYER } from './paths.js';
import { run } from './run.js';

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

/** All write a file, and keep owners, times to the nanosecond and extended attributes. */
export function diffContenders({ root, key, tree }: DiffInput): Contender[] {
  const snapshot = ['snapshots', 'diff', key, '--root', root, '--progress', 'none'];
  const overlayer = (name: string) => (dest: string) => [...OVERLAYER, ...snapshot, '-o', join(dest, name)];
  const tar =
    (name: string, ...flags: readonly string[]) =>
    (dest: string) => [
      ...['tar', '--format=posix', '--xattrs', '--sort=name', '--numeric-owner', ...flags],
      ...['-C', tree, '-cf', join(dest, name), '.'],
    ];
  return [
    { name: 'overlayer', command: overlayer('layer.tar') },
    { name: 'tar -c', command: tar('layer.tar') },
    { name: 'overlayer, gzip', command: overlayer('layer.tar.gz') },
    { name: 'tar -cz', command: tar('layer.tar.gz', '--gzip') },
    { name: 'overlayer, zstd', command: overlayer('layer.tar.zst') },
    { name: 'tar -c --zstd', command: tar('layer.tar.zst', '--zstd') },
  ];
}

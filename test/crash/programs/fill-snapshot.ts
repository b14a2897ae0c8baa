import { dirname } from 'node:path';
import { type Mount, type Snapshotter, unpackLayer } from '../../../src/index.js';
import { beginFill } from '../../../src/snapshot/fill/layer-fill.js';
import { layerFileOf } from '../../../src/snapshot/store/layer-files.js';

export interface Fill {
  readonly key: string;
  readonly parent?: string | undefined;
  readonly layer: string;
}

/** The paths that mounts are made of, directories or layer files: its own, and those below, nearest first. */
export function pathsOf(mounts: readonly Mount[]): { readonly own: string; readonly lowers: string[] } {
  const { source, options } = mounts.at(-1)!;
  const option = (name: string) => options.find((option) => option.startsWith(name))?.slice(name.length);
  const files = mounts.filter(({ type }) => type === 'erofs').flatMap(layerFilesOf);
  const lowers = files.length > 0 ? files : (option('lowerdir=')?.split(':') ?? []);
  const own = option('upperdir=') ?? (lowers.length > 0 ? lowers.shift()! : source);
  return { own, lowers };
}

/** The layer files of one EROFS mount, nearest first. A mount of merged metadata names them as devices, lowest first. */
function layerFilesOf({ source, options }: Mount): string[] {
  const devices = options.filter((option) => option.startsWith('device=')).reverse();
  return devices.length === 0 ? [source] : devices.map((option) => option.slice('device='.length));
}

/** Prepares a snapshot and unpacks a layer straight into it. @returns the directory or the layer file that has it */
export async function fillSnapshot(snapshots: Snapshotter, { key, parent, layer }: Fill): Promise<string> {
  const mounts = await snapshots.prepare(key, { parent });
  const { own, lowers } = pathsOf(mounts);
  if (snapshots.backend.name === 'erofs') {
    using fill = beginFill(snapshots.backend, mounts, parent);
    await fill.apply(layer, {});
    await fill.seal();
    return layerFileOf(dirname(own));
  }
  const native = snapshots.backend.name === 'native';
  const options = native
    ? ({ existing: parent === undefined ? 'refuse' : 'merge' } as const)
    : ({ target: 'overlay', lowers } as const);
  // The commit brings it to the disk.
  await unpackLayer(layer, own, { ...options, sync: false });
  return own;
}

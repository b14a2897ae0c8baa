import { type Mount, type Snapshotter, unpackLayer } from '../../../src/index.js';

export interface Fill {
  readonly key: string;
  readonly parent?: string | undefined;
  readonly layer: string;
}

/** Directories that mounts are made of: its own, and those below, nearest first. */
export function directoriesOf(mounts: readonly Mount[]): { readonly own: string; readonly lowers: string[] } {
  const { source, options } = mounts.at(-1)!;
  const option = (name: string) => options.find((option) => option.startsWith(name))?.slice(name.length);
  const lowers = option('lowerdir=')?.split(':') ?? [];
  const own = option('upperdir=') ?? (lowers.length > 0 ? lowers.shift()! : source);
  return { own, lowers };
}

/** Prepares a snapshot and unpacks a layer straight into it. @returns the directory that it is in */
export async function fillSnapshot(snapshots: Snapshotter, { key, parent, layer }: Fill): Promise<string> {
  const { own, lowers } = directoriesOf(await snapshots.prepare(key, { parent }));
  const native = snapshots.backend.name === 'native';
  const options = native
    ? ({ existing: parent === undefined ? 'refuse' : 'merge' } as const)
    : ({ target: 'overlay', lowers } as const);
  // The commit brings it to the disk.
  await unpackLayer(layer, own, { ...options, sync: false });
  return own;
}

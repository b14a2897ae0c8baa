import { dirname, join } from 'node:path';
import type { Snapshotter } from '../../src/index.js';
import { DirectoryPlace } from '../../src/snapshot/fill/fill-place.js';
import { LayerFill, placeBehind } from '../../src/snapshot/fill/layer-fill.js';
import { sealed } from '../../src/snapshot/fill/seal.js';

/** Prepares a snapshot, unpacks a layer into it, commits it. @returns its directory */
export async function unpackSnapshot(
  snapshots: Snapshotter,
  layer: Uint8Array,
  { name, parent, lowers = [] }: { name: string; parent?: string; lowers?: readonly string[] },
): Promise<string> {
  const mounts = await snapshots.prepare(`unpack ${name}`, { parent });
  const mount = mounts.at(-1)!;
  const upper = mount.options.find((option) => option.startsWith('upperdir='))?.slice('upperdir='.length);
  const tree = upper ?? mount.source;
  const target =
    snapshots.backend.name === 'overlay'
      ? ({ target: 'overlay', lowers: lowers.map((lower) => join(lower, 'fs')) } as const)
      : ({ target: 'directory', existing: 'merge' } as const);
  const snapshot = { backend: snapshots.backend, directory: dirname(tree) };
  const place =
    snapshots.backend.name === 'erofs'
      ? placeBehind(snapshots.backend, mounts, parent)!
      : new DirectoryPlace({ destination: tree, ...target });
  using fill = LayerFill.begin(place, { snapshot, temporary: true });
  await fill.apply(layer, { sync: false });
  await snapshots.commit(`unpack ${name}`, sealed({ name, labels: { layer: name } }, await fill.seal()));
  return dirname(tree);
}

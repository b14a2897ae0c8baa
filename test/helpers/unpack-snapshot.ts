import { dirname, join } from 'node:path';
import type { Snapshotter } from '../../src/index.js';
import { applyLayer } from '../../src/layer/unpack-layer.js';
import { describeLayer } from '../../src/snapshot/fill/describe-contents.js';
import { FlushPoint } from '../../src/snapshot/fill/flush-point.js';

/** Prepares a snapshot, unpacks a layer into it, commits it. @returns its directory */
export async function unpackSnapshot(
  snapshots: Snapshotter,
  layer: Uint8Array,
  { name, parent, lowers = [] }: { name: string; parent?: string; lowers?: readonly string[] },
): Promise<string> {
  const [mount] = await snapshots.prepare(`unpack ${name}`, { parent });
  const upper = /upperdir=(.*)/.exec(
    mount!.options.find((option) => option.startsWith('upperdir=')) ?? '',
  )?.[1];
  const tree = upper ?? mount!.source;
  const target =
    snapshots.backend.name === 'overlay'
      ? ({ target: 'overlay', lowers: lowers.map((lower) => join(lower, 'fs')) } as const)
      : ({ target: 'directory', existing: 'merge' } as const);
  using start = new FlushPoint(dirname(tree));
  const applied = await applyLayer(layer, tree, { ...target, sync: false, temporary: true, facts: true });
  const described = await describeLayer(snapshots.backend, applied, start);
  await snapshots.commit(`unpack ${name}`, { name, labels: { layer: name }, described });
  return dirname(tree);
}

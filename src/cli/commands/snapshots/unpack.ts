import { displayPath, type Snapshotter, type UnpackedSnapshot, unpackSnapshot } from '../../../index.js';
import { abortOnSignals, Interruption } from '../../failure.js';
import type { UnpackSnapshotFlags } from '../../flags/layer-flags.js';
import { closeLayer, openLayer } from '../../input.js';
import { readOptions } from '../../options.js';
import { formatSeconds } from '../../render/format.js';
import { layerSummary } from '../../render/layer-summary.js';
import { printResult } from '../../render/print-result.js';
import { LateProgress } from '../../render/progress/late-progress.js';
import { withSnapshots } from '../../with-root.js';

export async function unpack(layer: string, flags: UnpackSnapshotFlags): Promise<number> {
  const started = performance.now();
  const run = async (snapshots: Snapshotter) => {
    const { source, name } = openLayer(layer);
    const progress = new LateProgress(flags.progress);
    try {
      const unpacked = await progress.show(
        unpackSnapshot(snapshots, source, {
          ...readOptions(flags),
          name: flags.key,
          parent: flags.parent,
          labels: flags.label,
          signal: abortOnSignals(),
        }),
      );
      const seconds = (performance.now() - started) / 1000;
      printResult(flags, { ...unpacked, seconds }, describe(unpacked, name, seconds));
    } finally {
      closeLayer(source);
    }
  };
  return await withSnapshots(flags, run, (error) =>
    error instanceof Interruption ? `snapshot "${flags.key}" was not made` : undefined,
  );
}

function describe({ snapshot, layer }: UnpackedSnapshot, source: string, seconds: number): string {
  if (layer === undefined) return `Snapshot ${displayPath(snapshot.name)} already exists\n`;
  return layerSummary(
    `Unpacked ${source} into snapshot ${snapshot.name} in ${formatSeconds(seconds)}`,
    layer,
  );
}

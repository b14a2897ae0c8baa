import {
  displayPath,
  type Labels,
  type Snapshotter,
  type UnpackedSnapshot,
  unpackSnapshot,
} from '../../../index.js';
import { closeLayer, openLayer } from '../../flags/layer-source.js';
import { type ReadFlags, readOptions } from '../../flags/read-flags.js';
import type { RootFlags } from '../../flags/root-flags.js';
import { abortOnSignals, Interruption } from '../../interruption.js';
import { formatSeconds } from '../../render/format.js';
import { printResult } from '../../render/print-result.js';
import { LateProgress } from '../../render/progress/late-progress.js';
import type { ProgressForm } from '../../render/progress/progress.js';
import { summary } from '../../render/summary.js';
import { withSnapshots } from './with-snapshots.js';

export interface UnpackSnapshotFlags extends RootFlags, ReadFlags {
  readonly key: string;
  readonly parent?: string;
  readonly label?: Labels;
  readonly progress: ProgressForm;
  readonly json?: true;
}

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
  const key = displayPath(snapshot.name);
  if (layer === undefined) return `Snapshot ${key} is there already\n`;
  return summary(`Unpacked ${displayPath(source)} into snapshot ${key} in ${formatSeconds(seconds)}`, layer);
}

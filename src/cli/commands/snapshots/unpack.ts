import {
  type DiffID,
  displayPath,
  type LayerSource,
  OverlayerError,
  planLayer,
  type Snapshotter,
  type UnpackedSnapshot,
  type UnpackSnapshotOptions,
  unpackSnapshot,
} from '../../../index.js';
import { abortOnSignals, Interruption } from '../../failure.js';
import type { UnpackSnapshotFlags } from '../../flags/layer-flags.js';
import { closeLayer, openLayer } from '../../input.js';
import { readOptions } from '../../options.js';
import { formatSeconds } from '../../render/format.js';
import { layerSummary } from '../../render/layer-summary.js';
import { printResult } from '../../render/print.js';
import { LateProgress } from '../../render/progress/late-progress.js';
import { withSnapshots } from '../../with-root.js';

export async function unpack(layer: string, flags: UnpackSnapshotFlags): Promise<number> {
  const started = performance.now();
  const run = async (snapshots: Snapshotter) => {
    const { source, name } = openLayer(layer);
    const progress = new LateProgress(flags.progress);
    try {
      const signal = abortOnSignals();
      const { digests: _, ...read } = readOptions(flags);
      const options = { ...read, name: flags.key, parent: flags.parent, labels: flags.label, signal };
      const diffID = await checkExisting(snapshots, source, options);
      const task = unpackSnapshot(snapshots, source, { ...options, diffID });
      const unpacked = await progress.show(task);
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

/**
 * The library takes an existing snapshot of that name without reading the layer, unless it knows the diffID. A person may
 * have given the wrong name, so the layer is read here.
 *
 * @returns the diffID of the layer, if it is known
 * @throws OverlayerError `AlreadyExists` for a snapshot that is not known to hold this layer
 */
async function checkExisting(
  snapshots: Snapshotter,
  source: LayerSource,
  options: UnpackSnapshotOptions,
): Promise<DiffID | undefined> {
  const { name, diffID: given } = options;
  const labels = await snapshots.stat(name).then(
    (found) => found.labels,
    (error) => {
      if (OverlayerError.is(error) && error.code === 'NotFound') return undefined;
      throw error;
    },
  );
  if (labels === undefined) return given;
  const { gzip, limits, allowEmpty, digest, signal } = options;
  const diffID = given ?? (await planLayer(source, { gzip, limits, allowEmpty, digest, signal })).diffID;
  const existing = labels['containerd.io/uncompressed'];
  if (existing === diffID) return diffID;
  const what = existing === undefined ? 'was not made from a layer' : `has the layer ${existing}`;
  throw new OverlayerError('AlreadyExists', `Snapshot "${name}" already exists and ${what}`, {
    hint: `the diffID of this layer is ${diffID}`,
  });
}

function describe({ snapshot, layer }: UnpackedSnapshot, source: string, seconds: number): string {
  if (layer === undefined)
    return `Nothing to unpack: snapshot ${displayPath(snapshot.name)}, or its layer, was there\n`;
  return layerSummary(
    `Unpacked ${source} into snapshot ${snapshot.name} in ${formatSeconds(seconds)}`,
    layer,
  );
}

import { checkMethod, checkOptions, type OptionNames } from '../../base/check-arguments.js';
import { ProgressTask, type Task } from '../../base/task.js';
import { closeLayerSource, findSource } from '../../layer/open-source.js';
import {
  type LayerProgress,
  type LayerSource,
  READ_LAYER_OPTIONS,
  type ReadLayerOptions,
} from '../../layer/options.js';
import type { Labels } from '../../metadata/labels.js';
import type { Snapshotter } from '../snapshotter.js';
import { fillSnapshot, type UnpackedSnapshot } from './fill-snapshot.js';

/** Which layer it is, and the snapshot that it becomes. */
export interface UnpackSnapshotOptions extends Omit<ReadLayerOptions, 'digests'> {
  /** Name of the committed snapshot. A layer of an image has its chainID as name. */
  readonly name: string;
  /** Name of the snapshot of the layer below. @default none: the layer is the lowest */
  readonly parent?: string | undefined;
  /** Added to the labels that name the layer. @default none */
  readonly labels?: Labels | undefined;
}

const { digests: _, ...READ_OPTIONS } = READ_LAYER_OPTIONS;
const UNPACK_SNAPSHOT_OPTIONS = {
  ...READ_OPTIONS,
  name: 'string',
  parent: 'string',
  labels: 'object',
} satisfies OptionNames<UnpackSnapshotOptions>;

/**
 * Unpacks a layer into a new snapshot, verifies it, flushes it to the disk and commits it. Nothing is mounted.
 *
 * Two calls for the same name at the same time, also from two processes, unpack the layer once: the second call waits and
 * returns the snapshot of the first. A failure leaves nothing behind.
 *
 * The snapshot gets containerd's labels for a layer: `containerd.io/snapshot.ref`, `containerd.io/uncompressed`,
 * `containerd.io/snapshot/diff-id` and `containerd.io/snapshot/parent-chain-id` (core/unpack, unpacker.go).
 *
 * @throws OverlayerError as `unpackLayer` and `Snapshotter.prepare`, and
 *   - `AlreadyExists`: the name belongs to a snapshot with another layer, parent, kind or mapping of owners
 *   - `InvalidArgument`: the labels that map ids are invalid, or do not map an owner in the layer
 *   - `FailedPrecondition`: the parent maps owners in another way
 * @throws `signal.reason` after an abort
 *
 * @example
 * const { snapshot } = await unpackSnapshot(snapshots, 'layer.tar.gz', { name: chainID, parent: parentChainID });
 */
export function unpackSnapshot(
  snapshots: Snapshotter,
  source: LayerSource,
  options: UnpackSnapshotOptions,
): Task<UnpackedSnapshot, LayerProgress> {
  return new ProgressTask(async (tell) => {
    checkOptions('unpackSnapshot', options, UNPACK_SNAPSHOT_OPTIONS);
    checkMethod('snapshots', snapshots, 'prepare');
    const found = findSource(source);
    const { name, parent, labels, ...reading } = options;
    let isRead = false;
    try {
      return await fillSnapshot(snapshots, {
        ...{ name, parent, labels, diffID: reading.diffID, signal: reading.signal },
        fill: (unpack) => {
          isRead = true;
          return unpack(found, { ...reading, onProgress: (progress) => tell(progress, 0) });
        },
      });
    } finally {
      if (!isRead) closeLayerSource(found, options.unreadSource);
    }
  });
}

import { checkOptions, type OptionNames } from '../../base/check-arguments.js';
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
  /** Of the committed snapshot. For a layer of an image: its chainID. */
  readonly name: string;
  /** Name of the snapshot of the layer below. @default none: it is the lowest */
  readonly parent?: string | undefined;
  /** Beside those that say which layer it is. */
  readonly labels?: Labels | undefined;
}

const { digests: _, ...READ_OPTIONS } = READ_LAYER_OPTIONS;
const UNPACK_SNAPSHOT_OPTIONS = {
  ...READ_OPTIONS,
  name: true,
  parent: true,
  labels: true,
} satisfies OptionNames<UnpackSnapshotOptions>;

/**
 * Makes a committed snapshot of a layer: unpacks it straight into the snapshot's directory, with nothing mounted,
 * verifies it, brings it to the disk and commits it.
 *
 * Asked for twice at once, also by two processes, a layer is unpacked once: whoever is second waits, and gets the
 * snapshot of the first. A failure leaves nothing behind.
 *
 * The snapshot gets containerd's labels for a layer: `containerd.io/snapshot.ref`, `containerd.io/uncompressed`,
 * `containerd.io/snapshot/diff-id` and `containerd.io/snapshot/parent-chain-id` (core/unpack, unpacker.go).
 *
 * @throws OverlayerError as `unpackLayer` and `Snapshotter.prepare`, and
 *   - `AlreadyExists`: the name is taken by something else than this layer on this parent
 *   - `InvalidArgument`: labels that map ids and make no sense; an owner that they do not map
 *   - `FailedPrecondition`: the parent's owners are not mapped so
 * @throws `signal.reason` when the signal asks for the end
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

import { OverlayerError } from '../base/errors.js';
import { letGoLayer } from '../layer/open-source.js';
import type { LayerSource, ReadLayerOptions } from '../layer/options.js';
import type { Labels } from '../metadata/labels.js';
import { fillSnapshot, type UnpackedSnapshot } from './fill-snapshot.js';
import { GIDMAPPING_LABEL, UIDMAPPING_LABEL } from './labels.js';
import type { Snapshotter } from './snapshotter.js';

export interface UnpackSnapshotOptions extends Omit<ReadLayerOptions, 'digests'> {
  /** Of the committed snapshot. For a layer of an image: its chainID. */
  readonly name: string;
  /** Name of the snapshot of the layer below. @default none: it is the lowest */
  readonly parent?: string | undefined;
  /** Beside those that say which layer it is. */
  readonly labels?: Labels | undefined;
}

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
 *   - `Unimplemented`: labels that map ids
 * @throws `signal.reason` when the signal asks for the end
 *
 * @example
 * const { snapshot } = await unpackSnapshot(snapshots, 'layer.tar.gz', { name: chainID, parent: parentChainID });
 */
export async function unpackSnapshot(
  snapshots: Snapshotter,
  source: LayerSource,
  options: UnpackSnapshotOptions,
): Promise<UnpackedSnapshot> {
  let read = false;
  try {
    checkMappings(options.labels);
    return await fillSnapshot(snapshots, {
      ...options,
      fill: (unpack) => {
        read = true;
        return unpack(source, options);
      },
    });
  } finally {
    if (!read) letGoLayer(source);
  }
}

/** A layer's owners are the image's; they are mapped for whoever runs on it. */
function checkMappings(labels: Labels = {}): void {
  const label = [UIDMAPPING_LABEL, GIDMAPPING_LABEL].find((name) => name in labels);
  if (label === undefined) return;
  throw new OverlayerError('Unimplemented', `A layer can't be unpacked with the label "${label}"`, {
    hint: 'give it to the snapshot that is prepared on the layer',
  });
}

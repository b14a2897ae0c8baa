import { OverlayerError } from '../../base/errors.js';
import type { Mount } from '../../mount/mount.js';
import { chainIDs } from '../../oci/chain-ids.js';
import type { DiffID } from '../../oci/digest.js';
import { isStaged } from '../../snapshot/fill/is-staged.js';
import { DIFF_ID_LABEL, SNAPSHOT_REF_LABEL } from '../../snapshot/labels.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import { orUndefined } from '../convert.js';
import { isExtraction } from '../layers/filled-snapshots.js';
import type { PrepareRequest } from './snapshots-messages.js';

/**
 * Prepares a snapshot whose layer another chain may have, for callers that do not name the layer's diffID (containerd
 * before 2.4). They name the chainID of the snapshot that they are going to commit. The layer is therefore the one whose
 * diffID gives that chainID together with the parent's.
 *
 * Such a caller does not understand a snapshot that is filled already. It does understand that the snapshot which it
 * wants is committed (containerd 1.4 and later): it neither applies the layer, nor downloads it if no layer below is
 * missing.
 *
 * @param layers the diffIDs of all layers that the backend can supply
 * @returns undefined when the store does not have the layer
 * @throws OverlayerError as `Snapshotter.prepare`; `AlreadyExists`: the snapshot is committed. It keeps the label
 * `containerd.io/snapshot.ref` and its parent, by which containerd looks for it (core/metadata, createSnapshot)
 */
export async function prepareKnownLayer(
  snapshots: Snapshotter,
  layers: () => Iterable<DiffID>,
  { key, parent, labels }: PrepareRequest,
  signal: AbortSignal,
): Promise<readonly Mount[] | undefined> {
  const wanted = labels[SNAPSHOT_REF_LABEL];
  if (wanted === undefined || DIFF_ID_LABEL in labels || !isExtraction(key)) return undefined;
  const below = parent === '' ? [] : [(await snapshots.find(parent))?.labels[SNAPSHOT_REF_LABEL] as DiffID];
  const diffID = find(layers(), (each) => chainIDs([...below, each]).at(-1) === wanted);
  if (diffID === undefined) return undefined;
  const mounts = await snapshots.prepare(key, {
    parent: orUndefined(parent),
    labels: { ...labels, [DIFF_ID_LABEL]: diffID },
    signal,
  });
  if (!isStaged(mounts)) return mounts; // it is gone meanwhile
  try {
    // In the namespace of the key, `<namespace>/<number>/`.
    await snapshots.commit(key, { name: key.replace(/[^/]*$/, wanted), labels, signal });
  } catch (error) {
    await snapshots.remove(key).catch(() => {}); // else `cleanup` removes it: the first error says more
    throw error;
  }
  throw new OverlayerError('AlreadyExists', `The layer of snapshot "${wanted}" is already there`);
}

function find<T>(items: Iterable<T>, matches: (item: T) => boolean): T | undefined {
  for (const item of items) if (matches(item)) return item;
  return undefined;
}

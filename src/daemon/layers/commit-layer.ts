import { basename } from 'node:path';
import { OverlayerError } from '../../base/errors.js';
import { sealed } from '../../snapshot/fill/seal.js';
import { PARENT_CHAIN_ID_LABEL, SNAPSHOT_REF_LABEL, UNPACKING_LABEL } from '../../snapshot/labels.js';
import type { SnapshotInfo } from '../../snapshot/snapshotter.js';
import { temporaryKey } from '../../snapshot/temporary-key.js';
import { orUndefined } from '../convert.js';
import type { CallContext } from '../grpc/calls.js';
import type { CommitRequest } from '../snapshots/snapshots-messages.js';
import { applyToMounts, type OwnSnapshots } from './apply-to-mounts.js';
import { isExtraction, type UnpackedLayer, unpackedLayer } from './filled-snapshots.js';
import type { OpenLayer } from './open-layer.js';

export interface CommitLayerOptions {
  readonly own: OwnSnapshots;
  readonly open: OpenLayer;
}

/**
 * Commits a snapshot. containerd unpacks the layers of an image at the same time (`rebase`), so the snapshot may get its
 * parent only now. The result is that of an unpack onto the parent. A layer that needs its lower layers is unpacked again
 * from its blob, which the client that pulls the image still holds.
 *
 * @throws OverlayerError as `Snapshotter.commit` and `applyToMounts`; `FailedPrecondition`: another differ has unpacked the
 * layer and lost its whiteouts
 */
export async function commitLayer(
  { own, open }: CommitLayerOptions,
  request: CommitRequest,
  context: CallContext,
): Promise<void> {
  const { key, name, labels } = request;
  const parent = orUndefined(request.parent);
  const active = await own.snapshots.stat(key);
  const isLate = parent !== undefined && active.parent === undefined;
  const layer = unpackedLayer(active);
  if (isLate) checkUnpacked(active, layer);
  if (layer?.needs === 'links' || (isLate && layer?.needs !== undefined)) {
    await unpackAgain({ own, open }, { key, name, parent, labels, layer }, context);
    return;
  }
  const seal = { ...(await own.filled.take(key)), inheritsRoot: layer && !layer.listsRoot };
  await own.snapshots.commit(key, sealed({ name, parent, labels }, seal));
}

/**
 * Other differs lose the whiteouts of a layer that they unpack through the bind mount of a snapshot without a parent. A
 * snapshot with the label for a later parent has no bind mount (`OverlayBackend.mounts`), but containerd 2.2 does not set
 * that label.
 */
function checkUnpacked({ name, labels }: SnapshotInfo, layer: UnpackedLayer | undefined): void {
  if (!(isExtraction(name) || SNAPSHOT_REF_LABEL in labels)) {
    if (layer?.needs === undefined) return;
    throw new OverlayerError(
      'FailedPrecondition',
      `Layer ${layer.digest} of snapshot "${name}" needs the layers below it`,
      { hint: 'prepare the snapshot with its parent' },
    );
  }
  if (layer !== undefined || PARENT_CHAIN_ID_LABEL in labels) return;
  throw new OverlayerError(
    'FailedPrecondition',
    `Another differ has unpacked the layer of snapshot "${name}" without those below it: files that it deletes would come back`,
    {
      hint: 'take "rebase" out of the capabilities of this snapshotter in containerd\'s configuration, or set max_concurrent_unpacks to 1',
    },
  );
}

interface AgainOptions {
  readonly key: string;
  readonly name: string;
  readonly parent: string | undefined;
  readonly labels: SnapshotInfo['labels'];
  readonly layer: UnpackedLayer;
}

/** Unpacks the layer into another snapshot on the parent, and commits that one. A failure changes nothing. */
async function unpackAgain(
  { own, open }: CommitLayerOptions,
  { key, name, parent, labels, layer: { digest } }: AgainOptions,
  context: CallContext,
): Promise<void> {
  const { snapshots, filled } = own;
  const { signal } = context;
  await snapshots.withLock(
    name,
    async () => {
      const again = temporaryKey(basename(name));
      const mounts = await snapshots.prepare(again, { parent, labels: { [UNPACKING_LABEL]: name } });
      try {
        const how = { digest, sync: false, signal, isFinal: true };
        await applyToMounts(() => open(digest, context), mounts, own, how);
        await snapshots.commit(again, sealed({ name, labels }, (await filled.take(again)) ?? {}));
      } catch (error) {
        await filled.forget(again);
        await snapshots.remove(again).catch(() => {}); // else `cleanup` removes it: the first error says more
        throw error;
      }
      await filled.forget(key);
      await snapshots.remove(key);
    },
    { signal },
  );
}

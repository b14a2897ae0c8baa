import { OverlayerError } from '../../base/errors.js';
import type { Mount } from '../../mount/mount.js';
import type { DiffID } from '../../oci/digest.js';
import { isStaged } from '../../snapshot/fill/is-staged.js';
import type { SnapshotInfo } from '../../snapshot/snapshotter.js';
import { orUndefined, required, toMount, toSnapshotInfo } from '../convert.js';
import type { CallContext } from '../grpc/calls.js';
import { batches, type Methods } from '../grpc/handlers.js';
import { type CommitLayerOptions, commitLayer } from '../layers/commit-layer.js';
import type { EmptyMessage } from '../messages.js';
import type { CallerMounts } from './caller-mounts.js';
import { prepareKnownLayer } from './known-layers.js';
import type {
  CommitRequest,
  KeyRequest,
  ListSnapshotsRequest,
  ListSnapshotsResponse,
  MountsResponse,
  PrepareRequest,
  SnapshotterRequest,
  StatResponse,
  UpdateSnapshotRequest,
  UsageResponse,
} from './snapshots-messages.js';

interface SnapshotsServiceOptions extends CommitLayerOptions {
  /** Name of the snapshotter in containerd's configuration. */
  readonly name: string;
  readonly mounts: CallerMounts;
  /** The diffIDs of the layers that the backend can supply. */
  readonly layers: () => Iterable<DiffID>;
}

/** `containerd.services.snapshots.v1.Snapshots`, which serves a `Snapshotter`. */
export function snapshotsService({ own, open, name, mounts, layers }: SnapshotsServiceOptions): Methods {
  const { snapshots, filled } = own;
  const answer = async (described: readonly Mount[]): Promise<MountsResponse> => ({
    mounts: (await mounts.convert(described)).map(toMount),
  });
  /** The caller does not know of a snapshot whose mounts it did not get. */
  const answerNew = async (key: string, described: readonly Mount[]): Promise<MountsResponse> => {
    try {
      return await answer(described);
    } catch (error) {
      await snapshots.remove(key).catch(() => {}); // the first error says more
      throw error;
    }
  };
  /** containerd's own service refuses unknown names as well. */
  const checkName = ({ snapshotter }: SnapshotterRequest) => {
    if (snapshotter === name) return;
    throw new OverlayerError('InvalidArgument', `Snapshotter "${snapshotter}" is not served here`, {
      hint: `name the table in containerd's configuration [proxy_plugins.${name}]`,
    });
  };
  const stat = (info: SnapshotInfo): StatResponse => ({ info: toSnapshotInfo(info) });

  return {
    async Prepare(request: PrepareRequest, { signal }: CallContext): Promise<MountsResponse> {
      checkName(request);
      const { key, parent, labels } = request;
      const known = await prepareKnownLayer(snapshots, layers, request, signal);
      const described =
        known ?? (await snapshots.prepare(key, { parent: orUndefined(parent), labels, signal }));
      // The caller of a filled snapshot mounts nothing, and commits it.
      return isStaged(described) ? { mounts: described.map(toMount) } : await answerNew(key, described);
    },

    async View(request: PrepareRequest, { signal }: CallContext): Promise<MountsResponse> {
      checkName(request);
      const { key, parent, labels } = request;
      // The caller gets the daemon's mounts of the single layers, whose page cache all containers share.
      const options = { parent: orUndefined(parent), labels, merged: false, signal };
      return await answerNew(key, await snapshots.view(key, options));
    },

    async Mounts(request: KeyRequest): Promise<MountsResponse> {
      checkName(request);
      return await answer(await snapshots.mounts(request.key));
    },

    async Commit(request: CommitRequest, context: CallContext): Promise<EmptyMessage> {
      checkName(request);
      await commitLayer({ own, open }, request, context);
      return {};
    },

    async Remove(request: KeyRequest, { signal }: CallContext): Promise<EmptyMessage> {
      checkName(request);
      await filled.forget(request.key);
      await snapshots.remove(request.key, { signal });
      return {};
    },

    async Stat(request: KeyRequest): Promise<StatResponse> {
      checkName(request);
      return stat(await snapshots.stat(request.key));
    },

    async Update(request: UpdateSnapshotRequest): Promise<StatResponse> {
      checkName(request);
      const { name, labels } = required(request.info, 'info');
      return stat(await snapshots.update(name, { labels }, { fieldpaths: request.updateMask?.paths }));
    },

    async *List(
      request: ListSnapshotsRequest,
      { signal }: CallContext,
    ): AsyncGenerator<ListSnapshotsResponse> {
      checkName(request);
      for await (const infos of batches(snapshots.walk({ filters: request.filters, signal })))
        yield { info: infos.map(toSnapshotInfo) };
    },

    async Usage(request: KeyRequest, { signal }: CallContext): Promise<UsageResponse> {
      checkName(request);
      const { bytes, inodes } = await snapshots.usage(request.key, { signal });
      return { size: bytes, inodes };
    },

    async Cleanup(request: SnapshotterRequest, { signal }: CallContext): Promise<EmptyMessage> {
      checkName(request);
      // containerd calls this after its garbage collection, which is the only one to call Remove (core/metadata). Layers
      // that no snapshot has are unmounted here.
      await snapshots.cleanup({ signal });
      return {};
    },
  };
}

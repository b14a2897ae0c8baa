import type { LayerResult } from '../../layer/options.js';
import { parseDigest } from '../../oci/digest.js';
import { layerCompression, MEDIA_TYPE } from '../../oci/media-types.js';
import type { ContainerdContent } from '../containerd/containerd-content.js';
import { fromMount, required } from '../convert.js';
import type { CallContext } from '../grpc/calls.js';
import type { Methods } from '../grpc/handlers.js';
import type { MountMessage } from '../messages.js';
import type { CallerMounts } from '../snapshots/caller-mounts.js';
import { applyToMounts, type OwnSnapshots } from './apply-to-mounts.js';
import type { ApplyRequest, ApplyResponse, DiffRequest, DiffResponse } from './diff-messages.js';
import type { OpenLayer } from './open-layer.js';
import { storeDiff } from './store-diff.js';

interface DiffServiceOptions {
  readonly own: OwnSnapshots;
  readonly open: OpenLayer;
  readonly mounts: CallerMounts;
  readonly containerd: ContainerdContent;
  readonly onLayer: (layer: LayerResult) => void;
}

/**
 * `containerd.services.diff.v1.Diff`. After `Unimplemented`, containerd tries its next differ.
 */
export function diffService({ own, open, mounts, containerd, onLayer }: DiffServiceOptions): Methods {
  const read = (messages: readonly MountMessage[]) => mounts.restore(messages.map(fromMount));
  return {
    async Apply(request: ApplyRequest, context: CallContext): Promise<ApplyResponse> {
      const { diff, syncFs } = request;
      const { mediaType, digest: text } = required(diff, 'diff');
      // Throws for media types that need one of containerd's stream processors (core/diff, BinaryHandler). The request's
      // payloads for processors are ignored: Kubernetes' part of containerd 1.7 sends them with every layer.
      layerCompression(mediaType);
      const digest = parseDigest(text);
      const layer = await applyToMounts(() => open(digest, context), read(request.mounts), own, {
        digest,
        sync: syncFs,
        signal: context.signal,
      });
      onLayer(layer);
      const applied = { mediaType: MEDIA_TYPE.layer, digest: layer.diffID!, size: layer.size };
      return { applied: { ...applied, annotations: {} } };
    },

    async Diff(request: DiffRequest, context: CallContext): Promise<DiffResponse> {
      const [left, right] = [read(request.left), read(request.right)];
      return { diff: await storeDiff({ ...request, left, right }, context, containerd) };
    },
  };
}

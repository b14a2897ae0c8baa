import type { LayerResult } from '../../layer/options.js';
import { parseDigest } from '../../oci/digest.js';
import { layerCompression, MEDIA_TYPE } from '../../oci/media-types.js';
import type { ContainerdContent } from '../containerd/containerd-content.js';
import { fromMount, required } from '../convert.js';
import type { CallContext } from '../grpc/calls.js';
import type { Methods } from '../grpc/handlers.js';
import { applyToMounts, type OwnSnapshots } from './apply-to-mounts.js';
import type { ApplyRequest, ApplyResponse, DiffRequest, DiffResponse } from './diff-messages.js';
import type { OpenLayer } from './open-layer.js';
import { storeDiff } from './store-diff.js';

export interface DiffServiceOptions {
  readonly own: OwnSnapshots;
  readonly open: OpenLayer;
  readonly containerd: ContainerdContent;
  readonly onLayer: (layer: LayerResult) => void;
}

/**
 * `containerd.services.diff.v1.Diff`. What it does not do is `Unimplemented`: containerd goes on to its next differ
 * then.
 */
export function diffService({ own, open, containerd, onLayer }: DiffServiceOptions): Methods {
  return {
    async Apply(request: ApplyRequest, context: CallContext): Promise<ApplyResponse> {
      const { diff, mounts, syncFs } = request;
      const { mediaType, digest: text } = required(diff, 'diff');
      // Whether it is one that we read. What is said to containerd's processors is not for it then: they are chosen by the
      // media type (core/diff, BinaryHandler), and Kubernetes' part of containerd 1.7 has word for them with every layer.
      layerCompression(mediaType);
      const digest = parseDigest(text);
      const layer = await applyToMounts(() => open(digest, context), mounts.map(fromMount), own, {
        digest,
        sync: syncFs,
        signal: context.signal,
      });
      onLayer(layer);
      const applied = { mediaType: MEDIA_TYPE.layer, digest: layer.diffID!, size: layer.size };
      return { applied: { ...applied, annotations: {} } };
    },

    async Diff(request: DiffRequest, context: CallContext): Promise<DiffResponse> {
      return { diff: await storeDiff(request, context, containerd) };
    },
  };
}

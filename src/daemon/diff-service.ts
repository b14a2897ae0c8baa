import { OverlayerError } from '../base/errors.js';
import type { ContentStore } from '../content/content-store.js';
import type { LayerResult, LayerSource } from '../layer/options.js';
import { type Digest, parseDigest } from '../oci/digest.js';
import { layerCompression, MEDIA_TYPE } from '../oci/media-types.js';
import { applyToMounts, type OwnSnapshots } from './apply-to-mounts.js';
import type { CallContext } from './calls.js';
import type { ContainerdContent } from './containerd-content.js';
import { fromMount, required } from './convert.js';
import type { ApplyRequest, ApplyResponse, DiffRequest, DiffResponse } from './diff-messages.js';
import type { Methods } from './handlers.js';
import { storeDiff } from './store-diff.js';

export interface DiffServiceOptions {
  readonly own: OwnSnapshots;
  readonly content: ContentStore;
  readonly containerd: ContainerdContent;
  readonly onLayer: (layer: LayerResult) => void;
}

/**
 * `containerd.services.diff.v1.Diff`. What it does not do is `Unimplemented`: containerd goes on to its next differ
 * then.
 */
export function diffService({ own, content, containerd, onLayer }: DiffServiceOptions): Methods {
  /** Our own store may have it, where containerd has that for its content; else it is in containerd's. */
  const open = async (digest: Digest, context: CallContext): Promise<LayerSource> => {
    try {
      return await content.path(digest);
    } catch (error) {
      if (!OverlayerError.is(error) || error.code !== 'NotFound') throw error;
      return await containerd.open(digest, context);
    }
  };

  return {
    async Apply(request: ApplyRequest, context: CallContext): Promise<ApplyResponse> {
      const { diff, mounts, payloads, syncFs } = request;
      const { mediaType, digest: text } = required(diff, 'diff');
      if (Object.keys(payloads).length > 0)
        throw new OverlayerError('Unimplemented', 'Layers that processors have to read are not unpacked');
      layerCompression(mediaType); // whether it is a layer
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

import { OverlayerError } from '../../base/errors.js';
import type { ContentStore } from '../../content/content-store.js';
import type { LayerSource } from '../../layer/options.js';
import type { Digest } from '../../oci/digest.js';
import type { ContainerdContent } from '../containerd/containerd-content.js';
import type { CallContext } from '../grpc/calls.js';

export type OpenLayer = (digest: Digest, context: CallContext) => Promise<LayerSource>;

/** Opens blobs: our own store may have one, where containerd has that for its content; else it is in containerd's. */
export function layerOpener(content: ContentStore, containerd: ContainerdContent): OpenLayer {
  return async (digest, context) => {
    try {
      return await content.path(digest);
    } catch (error) {
      if (!OverlayerError.is(error) || error.code !== 'NotFound') throw error;
      return await containerd.open(digest, context);
    }
  };
}

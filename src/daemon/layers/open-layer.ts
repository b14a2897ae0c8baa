import { ifFound } from '../../base/if-found.js';
import type { ContentStore } from '../../content/content-store.js';
import type { LayerSource } from '../../layer/options.js';
import type { Digest } from '../../oci/digest.js';
import type { ContainerdContent } from '../containerd/containerd-content.js';
import type { CallContext } from '../grpc/calls.js';

export type OpenLayer = (digest: Digest, context: CallContext) => Promise<LayerSource>;

/** Opens a blob in overlayer's content store, which containerd may use as its own, or else in containerd's. */
export function layerOpener(content: ContentStore, containerd: ContainerdContent): OpenLayer {
  return async (digest, context) =>
    (await ifFound(content.path(digest))) ?? (await containerd.open(digest, context));
}

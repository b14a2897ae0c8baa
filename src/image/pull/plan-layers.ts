import { OverlayerError } from '../../base/errors.js';
import { chainIDs } from '../../oci/chain-ids.js';
import { layerCompression } from '../../oci/media-types.js';
import type { ChosenManifest } from './choose-manifest.js';
import type { PlannedLayer } from './pull-event.js';

/** The kernel's OVL_MAX_STACK: an image with more layers can't be mounted. */
const MAX_LAYERS = 500;

/**
 * Pairs the layers of a manifest with the diffIDs of its config, the lowest layer first.
 *
 * @throws OverlayerError
 *   - `InvalidArgument`: the manifest and the config have different numbers of layers
 *   - `ResourceExhausted`: more layers than overlayfs supports
 *   - `Unimplemented`: a layer has an unknown media type
 */
export function planLayers({ manifest, config }: ChosenManifest): readonly PlannedLayer[] {
  const { layers } = manifest;
  const { diffIDs } = config;
  if (layers.length !== diffIDs.length)
    throw new OverlayerError(
      'InvalidArgument',
      `Cannot read the image: its manifest has ${layers.length} layers, its config ${diffIDs.length}`,
    );
  if (layers.length > MAX_LAYERS)
    throw new OverlayerError(
      'ResourceExhausted',
      `Cannot read the image: it has ${layers.length} layers, of ${MAX_LAYERS} at most`,
    );
  const chain = chainIDs(diffIDs);
  return layers.map((descriptor, index) => {
    layerCompression(descriptor.mediaType);
    return { descriptor, diffID: diffIDs[index]!, chainID: chain[index]! };
  });
}

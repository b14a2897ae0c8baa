import type { NeedsLowers } from '../../layer/apply/lowers-later.js';
import type { Labels } from '../../metadata/labels.js';
import type { Digest } from '../../oci/digest.js';
import { UNPACKED_LAYER_LABEL } from '../../snapshot/labels.js';

/** What our differ has unpacked into a snapshot that may get its parent later. */
export interface UnpackedLayer {
  /** Of the blob. */
  readonly digest: Digest;
  readonly listsRoot: boolean;
  /** Undefined: it comes out the same upon any layers. */
  readonly needs?: NeedsLowers | undefined;
}

/** As the label `overlayer/layer` has it: it has to be known after a restart, too. */
export function unpackedLayerLabel(layer: UnpackedLayer | undefined): Labels {
  return layer === undefined ? {} : { [UNPACKED_LAYER_LABEL]: JSON.stringify(layer) };
}

export function unpackedLayer({ [UNPACKED_LAYER_LABEL]: label }: Labels): UnpackedLayer | undefined {
  return label === undefined ? undefined : JSON.parse(label);
}

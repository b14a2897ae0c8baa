import type { Tell } from '../../base/task.js';
import type { LayerProgress, LayerResult } from '../../layer/options.js';
import type { ChainID } from '../../oci/chain-ids.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { DiffID } from '../../oci/digest.js';
import type { Platform } from '../../oci/platform.js';
import type { RegistryNotice } from '../registry/registry-notice.js';
import type { ImageSource } from '../source/image-source.js';

/** One layer of the image that is being pulled. */
export interface PlannedLayer {
  readonly descriptor: Descriptor;
  readonly diffID: DiffID;
  /** Name of its snapshot. */
  readonly chainID: ChainID;
}

/**
 * Where a layer is: it waits for its turn; its bytes come, and are unpacked as they do; they are all there, and
 * the rest is unpacked; it is verified, and brought to the disk; it is committed when the layers below are.
 */
export type LayerPhase = 'waiting' | 'downloading' | 'unpacking' | 'verifying' | 'committing';

/** What a pull tells. Layers go by their index, the lowest is 0; they are those of the last `plan`. */
export type PullEvent =
  /** Beside the images there is something that can't be used as one: a signature, an entry that can't be read. */
  | { readonly type: 'pass-over'; readonly name: string; readonly reason: string }
  /** It is known what the image is made of. */
  | {
      readonly type: 'plan';
      readonly name: string;
      readonly manifest: Descriptor;
      readonly platform: Platform;
      readonly layers: readonly PlannedLayer[];
    }
  /** The layer's snapshot is there already. */
  | { readonly type: 'skip'; readonly index: number; readonly chainID: ChainID }
  /** Several in a row become the last of them where nobody has looked in between. */
  | ({ readonly type: 'progress'; readonly index: number } & LayerState)
  /** The layer's snapshot is there, and on disk. */
  | {
      readonly type: 'commit';
      readonly index: number;
      readonly chainID: ChainID;
      readonly layer: LayerResult;
    }
  | RegistryNotice;

export interface LayerState extends LayerProgress {
  readonly phase: LayerPhase;
  /** Bytes of the blob. */
  readonly compressedSize: number;
}

export function tellPassedOver({ passedOver = [] }: ImageSource, tell: Tell<PullEvent>): void {
  for (const { name, digest, error } of passedOver)
    tell({ type: 'pass-over', name: name ?? digest ?? 'an entry without a name', reason: error.message });
}

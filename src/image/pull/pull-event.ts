import type { Tell } from '../../base/task.js';
import type { LayerProgress, LayerResult } from '../../layer/options.js';
import type { ChainID } from '../../oci/chain-ids.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { DiffID } from '../../oci/digest.js';
import type { Platform } from '../../oci/platform.js';
import type { RegistryNotice } from '../registry/registry-notice.js';
import type { ImageSource } from '../source/image-source.js';

/** One layer of an image that is being pulled. */
export interface PlannedLayer {
  readonly descriptor: Descriptor;
  readonly diffID: DiffID;
  /** Name of the layer's snapshot. */
  readonly chainID: ChainID;
}

/**
 * Phases of a layer, in order.
 *
 * - `waiting`: for its turn
 * - `downloading`: its bytes arrive, and are unpacked as they arrive
 * - `unpacking`: all bytes have arrived, and the rest is unpacked
 * - `verifying`: its blob is verified and brought to the disk
 * - `committing`: its snapshot waits for those of the lower layers
 */
export type LayerPhase = 'waiting' | 'downloading' | 'unpacking' | 'verifying' | 'committing';

/** An event of a pull. `index` is the position of a layer in the last `plan`; the lowest layer has 0. */
export type PullEvent =
  /** The source has an entry that is not an image: a signature, or an entry that cannot be read. */
  | { readonly type: 'pass-over'; readonly name: string; readonly reason: string }
  /** The manifest was read: these are the layers of the image, the lowest first. */
  | {
      readonly type: 'plan';
      readonly name: string;
      readonly manifest: Descriptor;
      readonly platform: Platform;
      readonly layers: readonly PlannedLayer[];
    }
  /** The layer's snapshot exists already, or the store has the layer. */
  | { readonly type: 'skip'; readonly index: number; readonly chainID: ChainID }
  /** How far the layer is. It replaces the last one of the same layer that was not read yet. */
  | ({ readonly type: 'progress'; readonly index: number } & LayerState)
  /** The layer's snapshot is committed, and on disk. */
  | {
      readonly type: 'commit';
      readonly index: number;
      readonly chainID: ChainID;
      readonly layer: LayerResult;
    }
  | RegistryNotice;

export interface LayerState extends LayerProgress {
  readonly phase: LayerPhase;
  /** Bytes of the blob, from its descriptor. */
  readonly compressedSize: number;
}

export function tellPassedOver({ passedOver = [] }: ImageSource, tell: Tell<PullEvent>): void {
  for (const { name, digest, error } of passedOver)
    tell({ type: 'pass-over', name: name ?? digest ?? 'an entry without a name', reason: error.message });
}

import { OverlayerError } from '../../base/errors.js';
import type { ChainID } from '../../oci/chain-ids.js';
import { isEmptyLayer, type RawHistoryEntry, rawHistory, withoutLayer } from '../../oci/edit-config.js';
import { treesOfMounts } from '../../snapshot/diff-snapshot.js';
import type { PlannedLayer } from '../pull/pull-event.js';
import type { ImageRecord } from '../store/image-records.js';
import type { Image } from '../store/store.js';
import type { StoreParts } from '../store/store-parts.js';
import { type BuildCall, buildImage } from './build-image.js';
import type { SquashImageOptions } from './options.js';
import { viewChain } from './view-chain.js';

/** See `Store.squash`. */
export async function squashImage(
  parts: StoreParts,
  image: Image,
  { options: { from, ...options }, ...call }: BuildCall<SquashImageOptions>,
): Promise<ImageRecord> {
  const base = await image.contents({ platform: options.platform });
  const kept = base.layers.slice(0, from === undefined ? 0 : indexOf(base.layers, from) + 1);
  const top = base.layers.at(-1)?.chainID;
  if (top === undefined || kept.length === base.layers.length)
    throw new OverlayerError('FailedPrecondition', `There is no layer to squash in image "${image.name}"`);
  const request = { ...call, options, base, command: 'overlayer squash' };
  return await buildImage(parts, request, async ({ diff, entry }) => {
    const made = await diff(kept, async (held, how) => {
      const view = async (chain: ChainID | undefined) => held.hold(await viewChain(parts.snapshots, chain));
      const below = await view(kept.at(-1)?.chainID);
      const above = await view(top);
      return await treesOfMounts(below?.mounts ?? [], above!.mounts, how, held);
    });
    return {
      layers: [...kept, made],
      history: withoutLayers(rawHistory(base.config.text!), kept.length),
      appended: [entry()],
    };
  });
}

/** @throws OverlayerError `NotFound` */
function indexOf(layers: readonly PlannedLayer[], from: string): number {
  const index = layers.findLastIndex(({ descriptor, diffID, chainID }) =>
    [descriptor.digest, diffID, chainID].includes(from as typeof diffID),
  );
  if (index >= 0) return index;
  throw new OverlayerError('NotFound', `The image has no layer ${from}`, {
    hint: 'overlayer images inspect shows the layers, lowest first',
  });
}

/** Steps stay in the history, as docker's squash keeps them: those of squashed layers have none now. */
function withoutLayers(history: readonly RawHistoryEntry[], kept: number): readonly RawHistoryEntry[] {
  let layers = 0;
  return history.map((entry) => {
    if (isEmptyLayer(entry)) return entry;
    layers += 1;
    return layers <= kept ? entry : withoutLayer(entry);
  });
}

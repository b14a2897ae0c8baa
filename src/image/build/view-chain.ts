import { isCode } from '../../base/errors.js';
import { withContext } from '../../base/with-context.js';
import type { ChainID } from '../../oci/chain-ids.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import { openTemporaryView, type TemporaryView } from '../../snapshot/temporary-view.js';

/**
 * Makes a view of a chain of layers for the time of some work.
 *
 * @param chain undefined is the tree of an image without layers, which needs no view
 * @throws OverlayerError `NotFound`: the layers are not unpacked
 */
export async function viewChain(
  snapshots: Snapshotter,
  chain: ChainID | undefined,
): Promise<TemporaryView | undefined> {
  if (chain === undefined) return undefined;
  try {
    return await openTemporaryView(snapshots, chain);
  } catch (error) {
    throw isCode(error, 'NotFound')
      ? withContext(error, { hint: 'the layers are not unpacked: pull or import the image again' })
      : error;
  }
}

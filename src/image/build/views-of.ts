import { isCode } from '../../base/errors.js';
import { withContext } from '../../base/with-context.js';
import type { Mount } from '../../mount/mount.js';
import type { ChainID } from '../../oci/chain-ids.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import { temporaryKey } from '../../snapshot/temporary-key.js';

interface Views extends AsyncDisposable {
  /** No mounts for no layers. */
  readonly mounts: readonly (readonly Mount[])[];
}

/**
 * Makes views of chains of layers, which show the layers one by one where the backend can.
 *
 * @param chains undefined is the tree of an image without layers
 * @throws OverlayerError `NotFound`: the layers are not unpacked
 */
export async function viewsOf(
  snapshots: Snapshotter,
  chains: readonly (ChainID | undefined)[],
): Promise<Views> {
  const keys: string[] = [];
  const remove = async () => {
    for (const key of keys) await snapshots.remove(key);
  };
  try {
    const mounts: (readonly Mount[])[] = [];
    for (const chain of chains) {
      if (chain === undefined) {
        mounts.push([]);
        continue;
      }
      const key = temporaryKey(chain, 'mount');
      mounts.push(await snapshots.view(key, { parent: chain, merged: false }));
      keys.push(key);
    }
    return { mounts, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw isCode(error, 'NotFound')
      ? withContext(error, { hint: 'the layers are not unpacked: pull or import the image again' })
      : error;
  }
}

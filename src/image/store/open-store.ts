import { checkOptions } from '../../base/check-arguments.js';
import { OPEN_SNAPSHOTTER_OPTIONS } from '../../snapshot/open-snapshotter.js';
import type { OpenStoreOptions, Store } from './store.js';

/**
 * Opens a store of images below a root, with the snapshots that are there. Other processes may have it open too.
 *
 * @throws OverlayerError as `openSnapshotter`
 */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  checkOptions('openStore', options, OPEN_SNAPSHOTTER_OPTIONS);
  // Late: whoever unpacks layers alone need not wait for all of this to load.
  const { RootStore } = await import('./root-store.js');
  return await RootStore.open(options);
}

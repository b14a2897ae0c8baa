import { checkOptions } from '../../base/check-arguments.js';
import { OPEN_SNAPSHOTTER_OPTIONS } from '../../snapshot/open-snapshotter.js';
import type { OpenStoreOptions, Store } from './store.js';

/**
 * Opens the image store below a root, or makes one. Its snapshots are those of `openSnapshotter` with the same root. Other
 * processes may have it open too.
 *
 * @throws OverlayerError as `openSnapshotter`
 */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  checkOptions('openStore', options, OPEN_SNAPSHOTTER_OPTIONS);
  // Loaded when used: programs that only unpack layers start faster.
  const { RootStore } = await import('./root-store.js');
  return await RootStore.open(options);
}

import { checkOptions, checkPath } from '../../base/check-arguments.js';
import { LIST_OPTIONS, type ListOptions } from '../../metadata/filter-by.js';
import { OPEN_SNAPSHOTTER_OPTIONS } from '../../snapshot/open-snapshotter.js';
import type { ListedImage, OpenStoreOptions, Store } from './store.js';

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

/**
 * Lists the images of a store without opening it: it reads the records alone, which takes a fifth of the time. It takes no
 * lock, writes nothing, and needs no package. Only a store whose records can't be read in this way is opened.
 *
 * @param root the directory that `openStore` takes
 * @param options filters as for `store.images.list`
 * @throws OverlayerError `NotFound`: there is no store; `InvalidArgument`: malformed filter; `FailedPrecondition`: the store
 * is of a later release; and as `openStore`
 */
export async function readImages(root: string, options: ListOptions = {}): Promise<readonly ListedImage[]> {
  checkPath('root', root);
  checkOptions('readImages', options, LIST_OPTIONS);
  const { readImageRecords } = await import('./read-images.js');
  const images = await readImageRecords(root, options);
  if (images !== undefined) return images;
  await using store = await openStore({ root });
  return await store.images.list(options);
}

import { isCode, OverlayerError } from '../../base/errors.js';
import type { ContentStore } from '../../content/content-store.js';
import { type ErofsLayerInfo, readErofsLayer } from '../../layer/erofs/read-erofs-layer.js';
import { chainIDs } from '../../oci/chain-ids.js';
import type { DiffID, Digest } from '../../oci/digest.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import type { ImageRecord } from '../store/image-records.js';
import { withLayerFiles } from '../store/with-layer-files.js';
import type { ImageSource } from './image-source.js';

type StoredImage = Pick<ImageRecord, 'name' | 'target'>;

/**
 * Images of a store as a source. Only blobs in the content store can be opened.
 *
 * @param snapshots of the images' layers
 */
export function contentSource(
  content: ContentStore,
  images: StoredImage | readonly StoredImage[],
  snapshots?: Snapshotter,
): ImageSource {
  const close = async () => {};
  const all = [images].flat();
  return {
    description: all.map(({ name }) => name).join(', '),
    images: async () => all.map(({ name, target }) => ({ name, target })),
    open: async ({ digest, size }, { offset = 0 } = {}) => ({
      bytes: { path: await pathOf(content, digest), offset, length: size - offset },
      offset,
    }),
    has: async ({ digest }) => (await content.find(digest)) !== undefined,
    ...(snapshots === undefined ? {} : { tars: (diffIDs) => findTars(snapshots, diffIDs) }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function findTars(
  snapshots: Snapshotter,
  diffIDs: readonly DiffID[],
): Promise<readonly ErofsLayerInfo[] | undefined> {
  const chain = chainIDs(diffIDs);
  const layers = diffIDs.map((diffID, at) => ({ diffID, chainID: chain[at]! }));
  return await withLayerFiles(snapshots, layers, async (paths) => paths.map(readErofsLayer));
}

async function pathOf(content: ContentStore, digest: Digest): Promise<string> {
  try {
    return await content.path(digest);
  } catch (cause) {
    throw isCode(cause, 'NotFound') ? notKept(digest, cause) : cause;
  }
}

/** The error for a blob of a recorded image that was discarded, or removed. */
function notKept(digest: Digest, cause?: unknown): OverlayerError {
  return new OverlayerError('NotFound', `Blob ${digest} is not in the content store`, {
    hint: 'pull or import the image again without --discard-blobs: layers that are unpacked stay, and their blobs are fetched',
    cause,
  });
}

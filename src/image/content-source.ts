import type { ContentStore } from '../content/content-store.js';
import type { ImageRecord } from './image-records.js';
import type { ImageSource } from './image-source.js';

/** An image of a store, as a source: of the blobs that are kept. */
export function contentSource(
  content: ContentStore,
  { name, target }: Pick<ImageRecord, 'name' | 'target'>,
): ImageSource {
  const close = async () => {};
  return {
    description: name,
    images: async () => [{ name, target }],
    open: async ({ digest, size }, { offset = 0 } = {}) => ({
      bytes: { path: await content.path(digest), offset, length: size - offset },
      offset,
    }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

import { checkOptions } from '../base/check-arguments.js';
import { EXPLORE_OPTIONS } from './explore-image.js';
import type { ImageFile } from './files/image-file.js';
import type { ExploreOptions, ExploreSource } from './open-stack.js';

/**
 * The merged tree of an image, or of a single layer, with the bytes of its files: for scanners. It reads each layer once, the
 * top first, so that the bytes of files that later layers hide or remove are never given.
 *
 * - Files come layer by layer, in the order of the layer. The loop decides on each file whether it reads the bytes. Leaving
 *   the loop closes what was opened; lower layers are then not opened.
 * - Each blob is verified against its digest when its end is reached, after its files were given. A loop that needs verified
 *   files waits for its own end, or takes a source whose bytes were verified before.
 * - Paths lead through no symlink. A layer that does not list the directories of an entry may mean a symlink of a lower layer;
 *   a hard link may be all that is left of a file. At the first such entry all layers are read for the tree of the image, and
 *   those that are left once more for the bytes. Further names of files then come last.
 * - An entry that a later one of the same layer replaces comes before it (`again`). Otherwise the files are those of
 *   `exploreImage`. Directories that no layer lists do not come.
 * - Memory is about 40 bytes for each path, and the length of its name; 150 where the tree is read. `limits.maxMemory` holds
 *   for all layers together.
 *
 * @param source an image source with one image, which stays open; or a layer
 * @throws OverlayerError
 *   - `FailedPrecondition`: the tree is needed, and the layer is a stream, which can be read only once
 *   - others as `planLayer` and `unpackImage`, except for the errors of a file system
 * @throws `signal.reason` when the signal is aborted
 *
 * @example
 * for await (const file of openImageFiles(source, { signal })) {
 *   if (file.type !== 'file' || !file.path.endsWith('/id_rsa')) continue;
 *   for await (const chunk of file.body()) look(chunk);
 * }
 */
export async function* openImageFiles(
  source: ExploreSource,
  options: ExploreOptions = {},
): AsyncGenerator<ImageFile, void, void> {
  checkOptions('openImageFiles', options, EXPLORE_OPTIONS);
  // Loaded when it is used: the entry point loads little.
  const [{ openStack }, { readFiles }] = await Promise.all([
    import('./open-stack.js'),
    import('./files/read-files.js'),
  ]);
  yield* readFiles(await openStack(source, options), options);
}

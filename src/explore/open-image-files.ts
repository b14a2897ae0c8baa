import { checkOptions } from '../base/check-arguments.js';
import { EXPLORE_OPTIONS } from './explore-image.js';
import type { ImageFile } from './files/image-file.js';
import type { ExploreOptions, ExploreSource } from './open-stack.js';

/**
 * The merged tree of an image, or of a single layer, with the bytes of its files: for scanners. It reads each layer once, the
 * top first, so that the bytes of files that later layers hide or remove are never given. A layer is read again only where a
 * later layer has replaced or removed one of several names of a file.
 *
 * - Files come layer by layer, in the order of the layer. The loop decides on each file whether it reads the bytes. Leaving
 *   the loop closes what was opened; lower layers are then not opened.
 * - Each blob is verified against its digest when its end is reached, after its files were given. A loop that needs verified
 *   files waits for its own end, or takes a source whose bytes were verified before.
 * - A path counts as its layer lists it. Where it leads through a symlink of a lower layer, the file that it replaces or
 *   removes there comes, too. `exploreImage` follows such symlinks.
 * - An entry that a later one of the same layer replaces comes before it (`again`).
 * - Memory is about 40 bytes for each path, and the length of its name. `limits.maxMemory` holds for all layers together.
 *
 * @param source an image source with one image, which stays open; or a layer
 * @throws OverlayerError as `planLayer` and `unpackImage`, except for the errors of a file system
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

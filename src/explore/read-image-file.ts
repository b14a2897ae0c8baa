import { checkOptions, checkPath } from '../base/check-arguments.js';
import { EXPLORE_OPTIONS } from './explore-image.js';
import type { ExploreOptions, ExploreSource } from './open-stack.js';

/**
 * The bytes of one file of an image's merged tree. It reads the layers from the top, and stops at the layer that decides:
 * lower layers are not fetched. The bytes are given when that layer has been verified against its digest. Until then they are
 * in memory, or from 1 MiB on in a temporary file of `os.tmpdir()` without a name.
 *
 * Symlinks, in parents too, and hard links are followed inside the image: at most 40. They may lead to a layer that was read
 * already, which is then read again. All layers are read first where `openImageFiles` needs the tree.
 *
 * @param source an image source with one image, which stays open; or a layer
 * @param path relative to the root of the image; a slash at its beginning has no effect
 * @throws OverlayerError
 *   - `NotFound`: there is no such file
 *   - `InvalidArgument`: it is not a file, or more than 40 links lead to it
 *   - `FailedPrecondition`: a link leads back into a stream, which can be read only once
 *   - `DataLoss` and others as `planLayer` and `unpackImage`
 * @throws `signal.reason` when the signal is aborted
 *
 * @example
 * await pipeline(readImageFile(source, 'etc/os-release'), process.stdout);
 */
export async function* readImageFile(
  source: ExploreSource,
  path: string,
  options: ExploreOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  checkOptions('readImageFile', options, EXPLORE_OPTIONS);
  checkPath('path', path);
  // Loaded when it is used: the entry point loads little.
  const [{ openStack }, { findFile }] = await Promise.all([
    import('./open-stack.js'),
    import('./files/find-file.js'),
  ]);
  await using file = await findFile(await openStack(source, options), path, options);
  yield* file.read();
}

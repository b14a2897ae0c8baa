import { checkMethod, checkOptions } from '../../base/check-arguments.js';
import { ProgressTask, type Task } from '../../base/task.js';
import { checkImageSource, type ImageSource } from '../source/image-source.js';
import type { ImageTarget } from '../target/image-target.js';
import { COPY_OPTIONS, type CopiedImage, type CopyEvent, type CopyOptions } from './options.js';

/**
 * Copies the images of a source to a target. Documents and blobs keep their bytes unless an option changes them. Each blob
 * is sent once, and only if the target lacks it. Blobs come first, then manifests, each after those that it refers to, then
 * names: a failed copy leaves no image that lacks a part. Non-distributable layers are copied to layouts and archives, if the
 * source has them, and never to registries, as docker and skopeo do it.
 *
 * A source may lack manifests that an index lists, as after a pull for one platform. A layout or an archive gets the index
 * as it is. A registry refuses such an index, so it gets the index without these entries, or the manifest alone when it is
 * the only one. Manifests that the registry itself has are not left out. An event names what is missing.
 *
 * @throws OverlayerError
 *   - as the methods of the source and the target
 *   - `NotFound`: the source lacks a blob, or has no manifest for the platform
 *   - `DataLoss`: a blob has another digest or size than its descriptor, or a layer another diffID
 *   - `InvalidArgument`: the source has several images, and the target takes one; a document is malformed
 * @throws `signal.reason` when the signal aborts
 *
 * @example
 * await using source = await openRegistry('debian:12');
 * await using target = await createImageLayout('layout');
 * await copyImage(source, target);
 */
export function copyImage(
  source: ImageSource,
  target: ImageTarget,
  options: CopyOptions = {},
): Task<readonly CopiedImage[], CopyEvent> {
  return new ProgressTask(async (tell) => {
    checkOptions('copyImage', options, COPY_OPTIONS);
    checkImageSource(source);
    checkMethod('target', target, 'writeBlob');
    // Loaded when used: the public entry stays small.
    const { ImageCopy } = await import('./image-copy.js');
    return await new ImageCopy(source, target, options, tell).run();
  });
}

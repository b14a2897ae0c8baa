import { checkOptions, type OptionNames } from '../base/check-arguments.js';
import { ProgressTask, type Task } from '../base/task.js';
import type { PullEvent } from '../image/pull/pull-event.js';
import type { ExploredImage } from './explored-image.js';
import type { ExploreOptions, ExploreSource } from './open-stack.js';

export const EXPLORE_OPTIONS = {
  signal: true,
  platform: 'object',
  limits: 'object',
} satisfies OptionNames<ExploreOptions>;

/**
 * Reads all layers of an image, or a single layer, and tells what it is made of. Nothing is unpacked. Each blob is verified
 * against its digest.
 *
 * Memory is about 150 bytes for each entry of a layer, and the length of its name.
 *
 * @param source an image source with one image, which stays open; or a layer
 * @throws OverlayerError as `unpackImage`, except for the errors of a file system
 * @throws `signal.reason` when the signal is aborted
 *
 * @example
 * await using source = await openImageArchive('image.tar');
 * const image = await exploreImage(source);
 * for (const { kind, path, bytes } of image.waste().slice(0, 10)) console.log(kind, displayPath(path), bytes);
 */
export function exploreImage(
  source: ExploreSource,
  options: ExploreOptions = {},
): Task<ExploredImage, PullEvent> {
  return new ProgressTask(async (tell) => {
    checkOptions('exploreImage', options, EXPLORE_OPTIONS);
    // Loaded when it is used: the entry point loads little.
    const { readImage } = await import('./read-image.js');
    return await readImage(source, options, tell);
  });
}

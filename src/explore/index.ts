/**
 * `overlayer/explore`: looks into images without unpacking them: their files, and what their layers waste.
 *
 * @module overlayer/explore
 */

export { compareExplored } from './compare-explored.js';
export { exploreImage } from './explore-image.js';
export type {
  ExploredDirectory,
  ExploredFile,
  ExploredImage,
  ExploredLayer,
  ExploredType,
  FileVersion,
  PathChange,
  Waste,
} from './explored-image.js';
export type { ImageFile } from './files/image-file.js';
export { openImageFiles } from './open-image-files.js';
export type { ExploreOptions, ExploreSource } from './open-stack.js';
export { type WriteImagePageOptions, writeImagePage } from './page/write-image-page.js';
export { readImageFile } from './read-image-file.js';

// Names of entries as text; errors, limits and tasks, which all entry points share.

export type { AbortableOptions } from '../base/abort.js';
export { type ErrorCode, type ErrorDetails, OverlayerError } from '../base/errors.js';
export type { Limits } from '../base/limits.js';
export { displayPath } from '../base/path-bytes.js';
export type { Task } from '../base/task.js';

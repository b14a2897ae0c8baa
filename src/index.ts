/**
 * `overlayer`: everything but the test suite and the EROFS format (`overlayer/erofs`). Each task has an entry point of its own, which is enough for a program with
 * that task alone. Importing an entry point loads no package: packages load when they are first used.
 *
 * @module overlayer
 */

// Tar archives: reads their entries strictly. Also `overlayer/tar`.

export * from './tar/index.js';

// Layers: unpacks one into a directory, tells what it would do, makes one of a directory's changes. Also `overlayer/layer`.

export * from './layer/index.js';

// Snapshots: keeps layers in parent chains on disk, and mounts them. Also `overlayer/snapshots`.

export * from './snapshot/index.js';

// Images: brings them from registries, archives and layouts into a directory or a store. Also `overlayer/images`.

export * from './image/index.js';

// Looking into images without unpacking them. Also `overlayer/explore`.

export * from './explore/index.js';

// The daemon: gives snapshots, layers and content to containerd. Also `overlayer/daemon`.

export * from './daemon/index.js';

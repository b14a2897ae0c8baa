/**
 * `overlayer/erofs`: EROFS images that hold a layer and its tar. The writer takes a tree in memory and gives bytes; the
 * reader reads such an image at any place. Neither does I/O.
 *
 * @module overlayer/erofs
 */

// The tree of an image, and its bytes.

export { type Layout, layOut } from './layout.js';
export type { MergedLayer } from './merge-trees.js';
export { type ErofsLayerFile, type MergedImage, mergeErofs } from './merged-image.js';
export { type Arena, MARK, NONE, type Records } from './records.js';
export { encodeSuperblock, layerUuid, type Superblock } from './superblock.js';
export {
  ErofsTree,
  type InodeAttributes,
  type SparseData,
  type StoredChunks,
  type TreeParts,
} from './tree.js';
export { writeMetadata } from './writer.js';
export { isStorable } from './xattrs.js';

// Reading an image: one name, one file, or all of them.

export type { ErofsInode, ErofsLayout, ErofsType } from './reader/inode.js';
export type { ErofsSource } from './reader/paged-bytes.js';
export { type ErofsEntry, type ErofsExtent, ErofsReader } from './reader/reader.js';
export { type WalkedName, walkErofs } from './reader/walk.js';

// The head of a layer file.

export { decodeHead, encodeHead, HEAD_BYTES, isLayerHead, type LayerHead, TAR_OFFSET } from './head.js';

// Errors, which all entry points share.

export { type ErrorCode, type ErrorDetails, OverlayerError } from '../base/errors.js';

/**
 * `overlayer/erofs`: EROFS images that hold a layer and its tar. The writer takes a tree in memory and gives bytes; the
 * reader reads such an image at any place. Neither does I/O.
 *
 * A layer file has a head of 1024 bytes (`LayerHead`), the superblock, the layer's tar at offset 4096 (`TAR_OFFSET`), and
 * the metadata, whose files' data are where the tar has them. `unpackLayer` with the target `erofs` makes one of a layer.
 *
 * @example
 * const tree = new ErofsTree();
 * const file = tree.addInode(MODE.file, { mode: 0o644, uid: 0, gid: 0, mtimeSec: 0, mtimeNsec: 0 });
 * tree.setFile(file, 5, TAR_OFFSET); // its 5 bytes are at this offset of the image
 * tree.link(tree.root, 'name', file);
 * const layout = layOut(tree, 8192);
 * let at = layout.start;
 * for (const bytes of writeMetadata(layout)) {
 *   fs.writeSync(image, bytes, 0, bytes.length, at);
 *   at += bytes.length;
 * }
 * const superblock = { ...layout, uuid: randomBytes(16), blocks: at / 512 };
 * fs.writeSync(image, encodeSuperblock(superblock), 0, 512, 1024); // last: the image can be mounted from now on
 *
 * @module overlayer/erofs
 */

// The tree of an image, and its bytes.

export { MODE } from './format.js';
export { type Layout, layOut } from './layout.js';
export type { MergedLayer } from './merge-trees.js';
export { type ErofsLayerFile, type MergedImage, mergeErofs } from './merged-image.js';
export { MARK, NONE } from './records.js';
export { encodeSuperblock, layerUuid, type Superblock } from './superblock.js';
export {
  ErofsTree,
  type InodeAttributes,
  type SparseData,
  type StoredChunks,
} from './tree.js';
export { writeMetadata } from './writer.js';
export { isStorable } from './xattrs.js';

// Reading an image: one name, one file, or all of them.

export type { ErofsType } from './format.js';
export type { ErofsInode, ErofsLayout } from './reader/inode.js';
export type { ErofsSource } from './reader/paged-bytes.js';
export { type ErofsEntry, type ErofsExtent, ErofsReader } from './reader/reader.js';
export { type WalkedName, walkErofs } from './reader/walk.js';

// The head of a layer file.

export { decodeHead, encodeHead, HEAD_BYTES, isLayerHead, type LayerHead, TAR_OFFSET } from './head.js';

// Errors, which all entry points share.

export { type ErrorCode, type ErrorDetails, OverlayerError } from '../base/errors.js';

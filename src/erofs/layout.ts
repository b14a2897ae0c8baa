import { OverlayerError } from '../base/errors.js';
import { Dirents } from './dirents.js';
import {
  BLOCK_BYTES,
  CHUNK_INDEX_BYTES,
  FILE_ALIGNMENT,
  INODE_BYTES,
  MODE,
  roundUp,
  SLOT_BYTES,
  XATTR_HEADER_BYTES,
} from './format.js';
import { INODE, MARK, NONE, SPARSE, sizeOf } from './records.js';
import { NameSorter } from './sort-names.js';
import { type ErofsTree, partsOf, type TreeParts } from './tree.js';
import { MARK_XATTRS } from './xattrs.js';

/**
 * The root's number. 0 would be the number of the first inode, but readdir(3) leaves out files with the number 0.
 * Numbers count from the block before the metadata.
 */
export const ROOT_NID: number = BLOCK_BYTES / SLOT_BYTES;

/** Inodes, or comparisons of names, between two checks for an abort. */
const STEPS_OF_A_LOOK = 4096;
/** Numbers that fit the field of a block. */
export const MAX_BLOCKS: number = 2 ** 32 - 2;

/** The places of all metadata in an image. */
export interface Layout {
  readonly tree: ErofsTree;
  /** Offset of the metadata in the image: a multiple of 512. The root's inode is there. */
  readonly start: number;
  /** Bytes of the metadata, and of zeros behind them up to the end of the image. */
  readonly length: number;
  /** Block that the numbers of inodes count from, and the number of the root. */
  readonly metadataBlock: number;
  readonly rootNid: number;
  /** First block after the inodes. Directories and symlinks that are not with their inodes begin there. */
  readonly firstBlock: number;
  readonly inodes: number;
  readonly hasChunkedFiles: boolean;
  /** Block that the offsets of files' data count from. */
  readonly dataBlock: number;
}

/** Bytes of an inode's attributes of overlayfs and of its own, with their header; 0 without any. */
export function xattrBytes({ inodes, arena }: TreeParts, inode: number): number {
  const stored = inodes.get(inode, INODE.xattrs);
  const own = stored === NONE ? 0 : arena.lengthOf(stored);
  const marks = markBytes(inodes.get(inode, INODE.mode));
  return own + marks === 0 ? 0 : XATTR_HEADER_BYTES + own + marks;
}

function markBytes(mode: number): number {
  let bytes = 0;
  if (mode & MARK.opaque) bytes += MARK_XATTRS.opaque.length;
  if (mode & MARK.origin) bytes += MARK_XATTRS.origin.length;
  return bytes;
}

/** Indexes of a sparse file's chunks, in bytes. */
function chunkIndexBytes(tree: TreeParts, inode: number, size: number): number {
  const { chunkBits } = tree.sparse[tree.inodes.get(inode, INODE.data)]!;
  return Math.ceil(size / 2 ** chunkBits) * CHUNK_INDEX_BYTES;
}

/**
 * Gives each inode and each directory its place. It sorts the directories of the tree, which must not change any more.
 *
 * @param start offset of the metadata: a multiple of 512, and 4096 at least
 * @param options `data`: `in-image`: the offsets of files' data are those in the image; `behind`: they count from its end.
 *   @default 'in-image'
 *
 * `look`: called every few milliseconds; it may throw to abort
 * @throws OverlayerError `ResourceExhausted`: the image would have more than 2 TiB
 */
export function layOut(
  tree: ErofsTree,
  start: number,
  {
    data = 'in-image',
    look = () => {},
  }: { readonly data?: 'in-image' | 'behind'; readonly look?: () => void } = {},
): Layout {
  let steps = 0;
  const step = () => {
    steps += 1;
    if (steps % STEPS_OF_A_LOOK === 0) look();
  };
  const parts = partsOf(tree);
  const { names, inodes, arena } = parts;
  const sorter = new NameSorter(names, arena, step);
  const dirents = new Dirents(parts);
  let at = ROOT_NID * SLOT_BYTES;
  let blocks = 0;
  let count = 0;
  let hasChunkedFiles = false;
  for (let inode = 0; inode < inodes.length; inode++) {
    if (inodes.get(inode, INODE.names) === 0) continue;
    count += 1;
    step();
    const mode = inodes.get(inode, INODE.mode);
    const type = mode & MODE.type;
    let head = INODE_BYTES + xattrBytes(parts, inode);
    let tail = 0;
    if (type === MODE.directory) {
      inodes.set(inode, INODE.first, sorter.sort(inodes.get(inode, INODE.first)));
      tail = dirents.measure(inode);
      tree.setDirectory(inode, tail, 2 + dirents.directories);
    } else if (type === MODE.symlink) tail = sizeOf(inodes, inode);
    else if (mode & SPARSE) {
      head += chunkIndexBytes(parts, inode, sizeOf(inodes, inode));
      hasChunkedFiles = true;
    }
    if (tail > 0 && !isInline(tail)) {
      inodes.set(inode, INODE.block, blocks);
      blocks += Math.ceil(tail / BLOCK_BYTES);
      tail = 0;
    }
    at = placeFor(at, head, tail);
    inodes.set(inode, INODE.slot, at / SLOT_BYTES);
    at = roundUp(at + head + tail, SLOT_BYTES);
  }
  const base = start - ROOT_NID * SLOT_BYTES;
  const firstBlock = roundUp(base + at, BLOCK_BYTES) / BLOCK_BYTES;
  const end = roundUp((firstBlock + blocks) * BLOCK_BYTES, FILE_ALIGNMENT);
  if (end / BLOCK_BYTES > MAX_BLOCKS)
    throw new OverlayerError('ResourceExhausted', 'the EROFS image would have more than 2 TiB');
  return {
    ...{ tree, start, firstBlock, hasChunkedFiles },
    ...{ length: end - start, metadataBlock: base / BLOCK_BYTES, rootNid: ROOT_NID, inodes: count },
    dataBlock: data === 'behind' ? end / BLOCK_BYTES : 0,
  };
}

/** Whether data of this length can stand right after their inode. They must not cross the edge of a block there. */
export function isInline(bytes: number): boolean {
  return bytes <= BLOCK_BYTES - INODE_BYTES;
}

/** The next place for an inode of `head` bytes whose `tail` must stay in one block. */
function placeFor(at: number, head: number, tail: number): number {
  let place = at;
  if (tail > 0) while (((place + head) % BLOCK_BYTES) + tail > BLOCK_BYTES) place += SLOT_BYTES;
  return place;
}

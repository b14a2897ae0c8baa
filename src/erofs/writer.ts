import { Dirents } from './dirents.js';
import {
  BLOCK_BITS,
  BLOCK_BYTES,
  EXTENDED,
  INODE_BYTES,
  LAYOUT,
  MAX_XATTR_BYTES,
  MODE,
  NO_BLOCK,
  roundUp,
  SLOT_BYTES,
  XATTR_HEADER_BYTES,
} from './format.js';
import { isInline, type Layout, ROOT_NID, xattrBytes } from './layout.js';
import { INODE, MARK, NONE, SPARSE, sizeOf } from './records.js';
import { partsOf, type SparseData, type TreeParts } from './tree.js';
import { MARK_XATTRS } from './xattrs.js';

/** Bytes that are handed on at once, and a little more. */
const PIECE_BYTES: number = 128 * 1024;
/** An inode begins before `PIECE_BYTES`. Its attributes and its inline data may end here. */
const BUFFER_BYTES: number = PIECE_BYTES + INODE_BYTES + MAX_XATTR_BYTES + 2 * BLOCK_BYTES;

/**
 * Writes the metadata of an image: inodes, directories and symlinks.
 *
 * @param layout from `layOut`
 * @returns the bytes from `layout.start` on, `layout.length` in all, in pieces. A piece is valid until the next one
 */
export function* writeMetadata(layout: Layout): Generator<Uint8Array, void, void> {
  const { tree, start, firstBlock, length, dataBlock } = layout;
  const { inodes, sparse } = partsOf(tree);
  const output = new Output(start, length);
  const writer = new InodeWriter(layout, output);
  const origin = start - ROOT_NID * SLOT_BYTES;
  for (let inode = 0; inode < inodes.length; inode++) {
    if (inodes.get(inode, INODE.names) === 0) continue;
    output.skipTo(origin + (inodes.get(inode, INODE.slot) >>> 0) * SLOT_BYTES);
    if (output.isFull) yield* output.flush();
    writer.write(inode);
    if ((inodes.get(inode, INODE.mode) & SPARSE) === 0) continue;
    const data = sparse[inodes.get(inode, INODE.data)]!;
    for (const block of chunkBlocks(sizeOf(inodes, inode), data, dataBlock)) {
      output.word(block);
      if (output.isFull) yield* output.flush();
    }
  }
  output.skipTo(firstBlock * BLOCK_BYTES);
  for (let inode = 0; inode < inodes.length; inode++) {
    if (inodes.get(inode, INODE.names) === 0 || !hasData(inodes.get(inode, INODE.mode))) continue;
    const size = sizeOf(inodes, inode);
    if (isInline(size)) continue;
    writer.begin(inode);
    while (writer.block()) if (output.isFull) yield* output.flush();
    output.align();
  }
  output.skipTo(start + length);
  yield* output.flush();
}

/** Whether the metadata hold the data of such an inode. */
function hasData(mode: number): boolean {
  return (mode & MODE.type) === MODE.directory || (mode & MODE.type) === MODE.symlink;
}

/** The first block of each chunk of a sparse file. */
function* chunkBlocks(
  size: number,
  { chunkBits, parts }: SparseData,
  dataBlock: number,
): Generator<number, void, void> {
  const count = Math.ceil(size / 2 ** chunkBits);
  const blocks = 2 ** (chunkBits - BLOCK_BITS);
  let at = 0;
  for (const { chunk, count: stored, offset } of parts) {
    for (; at < chunk; at++) yield NO_BLOCK;
    for (let block = dataBlock + offset / BLOCK_BYTES; at < chunk + stored; at++, block += blocks)
      yield block;
  }
  for (; at < count; at++) yield NO_BLOCK;
}

class InodeWriter {
  readonly #layout: Layout;
  readonly #parts: TreeParts;
  readonly #output: Output;
  readonly #dirents: Dirents;
  #number = 0;
  /** The inode whose blocks are being written. */
  #inode = 0;

  constructor(layout: Layout, output: Output) {
    this.#layout = layout;
    this.#parts = partsOf(layout.tree);
    this.#output = output;
    this.#dirents = new Dirents(this.#parts);
  }

  /** Writes an inode, its extended attributes and its inline data. */
  write(inode: number): void {
    const { bytes, at } = this.#output;
    const { inodes } = this.#parts;
    const mode = inodes.get(inode, INODE.mode);
    const xattrs = xattrBytes(this.#parts, inode);
    const size = inodes.get(inode, INODE.sizeLow) >>> 0;
    const inline = hasData(mode) && isInline(size);
    const layout = inline ? LAYOUT.inline : mode & SPARSE ? LAYOUT.chunked : LAYOUT.plain;
    bytes.writeUInt16LE(EXTENDED | (layout << 1), at);
    if (xattrs > 0) bytes.writeUInt16LE((xattrs - XATTR_HEADER_BYTES) / 4 + 1, at + 2);
    bytes.writeUInt16LE(mode & 0xffff, at + 4);
    bytes.writeUInt32LE(size, at + 8);
    bytes.writeUInt32LE(inodes.get(inode, INODE.sizeHigh) >>> 0, at + 12);
    bytes.writeUInt32LE(inline ? NO_BLOCK : this.#locate(inode, mode), at + 16);
    bytes.writeUInt32LE(++this.#number, at + 20);
    bytes.writeUInt32LE(inodes.get(inode, INODE.uid) >>> 0, at + 24);
    bytes.writeUInt32LE(inodes.get(inode, INODE.gid) >>> 0, at + 28);
    bytes.writeUInt32LE(inodes.get(inode, INODE.mtimeLow) >>> 0, at + 32);
    bytes.writeUInt32LE(inodes.get(inode, INODE.mtimeHigh) >>> 0, at + 36);
    bytes.writeUInt32LE(inodes.get(inode, INODE.mtimeNsec) >>> 0, at + 40);
    bytes.writeUInt32LE(inodes.get(inode, INODE.names) >>> 0, at + 44);
    this.#output.at += INODE_BYTES;
    if (xattrs > 0) this.#xattrs(inode, mode);
    if (!inline) return;
    this.begin(inode);
    this.block();
  }

  /** The field `i_u`. */
  #locate(inode: number, mode: number): number {
    const { firstBlock, dataBlock } = this.#layout;
    const { inodes, sparse } = this.#parts;
    switch (mode & MODE.type) {
      case MODE.directory:
      case MODE.symlink:
        return firstBlock + inodes.get(inode, INODE.block);
      case MODE.file: {
        if (mode & SPARSE) return sparse[inodes.get(inode, INODE.data)]!.chunkBits - BLOCK_BITS;
        const isEmpty = sizeOf(inodes, inode) === 0;
        return isEmpty ? NO_BLOCK : dataBlock + (inodes.get(inode, INODE.data) >>> 0);
      }
      default:
        return inodes.get(inode, INODE.data) >>> 0; // a device; 0 for a fifo
    }
  }

  #xattrs(inode: number, mode: number): void {
    const output = this.#output;
    const { inodes, arena } = this.#parts;
    output.at += XATTR_HEADER_BYTES; // zeros: the filter makes no claim, and no attribute is shared
    if (mode & MARK.opaque) output.copy(MARK_XATTRS.opaque);
    if (mode & MARK.origin) output.copy(MARK_XATTRS.origin);
    const stored = inodes.get(inode, INODE.xattrs);
    if (stored !== NONE) output.copy(arena.piece(stored));
  }

  /** Begins with the data of a directory or symlink. */
  begin(inode: number): void {
    this.#inode = inode;
    if (this.#isDirectory) this.#dirents.begin(inode);
  }

  /** Writes the next block of the data, or all of a symlink. @returns whether more follow */
  block(): boolean {
    const output = this.#output;
    if (this.#isDirectory) {
      const used = this.#dirents.write(output.bytes, output.at);
      output.at += this.#dirents.isDone ? used : BLOCK_BYTES;
      return !this.#dirents.isDone;
    }
    const { inodes, arena } = this.#parts;
    output.copy(arena.piece(inodes.get(this.#inode, INODE.data)));
    return false;
  }

  get #isDirectory(): boolean {
    return (this.#parts.inodes.get(this.#inode, INODE.mode) & MODE.type) === MODE.directory;
  }
}

/** A buffer of the bytes at an offset of the image. Bytes that are not written are zeros. */
class Output {
  readonly bytes: Buffer;
  /** Bytes in the buffer. */
  at = 0;
  /** Offset of the buffer in the image. */
  #start: number;

  /** @param length of all that is written */
  constructor(start: number, length: number) {
    this.bytes = Buffer.alloc(Math.min(BUFFER_BYTES, length));
    this.#start = start;
  }

  get isFull(): boolean {
    return this.at >= PIECE_BYTES;
  }

  /** @param offset at most a block further, or at the end of the image */
  skipTo(offset: number): void {
    this.at = offset - this.#start;
  }

  align(): void {
    this.at = roundUp(this.#start + this.at, BLOCK_BYTES) - this.#start;
  }

  word(value: number): void {
    this.bytes.writeUInt32LE(value, this.at);
    this.at += 4;
  }

  copy(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** Hands the bytes on, and begins anew. */
  *flush(): Generator<Uint8Array, void, void> {
    yield this.bytes.subarray(0, this.at);
    this.bytes.fill(0, 0, this.at);
    this.#start += this.at;
    this.at = 0;
  }
}

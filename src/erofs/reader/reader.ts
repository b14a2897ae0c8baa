import { OverlayerError } from '../../base/errors.js';
import { decodePath, encodePath } from '../../base/path-bytes.js';
import {
  BLOCK_BYTES,
  CHUNK_INDEX_BYTES,
  type ErofsType,
  INODE_BYTES,
  NO_BLOCK,
  SLOT_BYTES,
} from '../format.js';
import { decodeXattrs } from './decode-xattrs.js';
import { DirectoryBlock } from './directory-block.js';
import { decodeInode, type ErofsInode } from './inode.js';
import { damaged, type ErofsSource, PagedBytes } from './paged-bytes.js';
import { readSuperblock } from './read-superblock.js';

/** A name in a directory of the image. */
export interface ErofsEntry {
  /** As of `TarEntry.path`: bytes that are not UTF-8 are lone surrogates. */
  readonly name: string;
  readonly nid: number;
  readonly type: ErofsType;
}

/** Bytes of a file that lie together in the image. The rest of the file is holes, which read as zeros. */
export interface ErofsExtent {
  /** In the file, in bytes. */
  readonly position: number;
  /** In the image, in bytes. A merged image counts on through the layer files that have its data. */
  readonly offset: number;
  readonly length: number;
}

/** PATH_MAX of Linux, with its final NUL. */
const MAX_TARGET = 4096;

/**
 * Reads an EROFS image that overlayer has written, at any place of it: synchronously, and through `source` alone. It
 * refuses every other form of EROFS, and checks all bounds: damaged and hostile images give errors. Each call takes memory
 * and time that are bounded by the part of the file that it asks for.
 *
 * @example
 * const image = new ErofsReader({ size, read: (offset, length) => bytes.subarray(offset, offset + length) });
 * const hosts = image.lookup(image.lookup(image.root, 'etc')!, 'hosts');
 */
export class ErofsReader {
  readonly root: ErofsInode;
  /** The inodes, directories and symlinks: from the root's inode to the end of the file, in bytes. */
  readonly metadata: { readonly offset: number; readonly length: number };
  readonly #bytes: PagedBytes;
  /** Offset that the numbers of inodes count from. */
  readonly #inodesOffset: number;
  /** The end of all data: that of the file, or of the layer files behind a merged image. */
  readonly #end: number;

  /**
   * @throws OverlayerError
   *   - `InvalidArgument`: it is not an EROFS image
   *   - `Unimplemented`: it has a form that overlayer does not write
   *   - `DataLoss`: it is damaged or incomplete
   */
  constructor(source: ErofsSource) {
    this.#bytes = new PagedBytes(source);
    const { inodesOffset, rootNid, end } = readSuperblock(this.#bytes);
    this.#inodesOffset = inodesOffset;
    this.#end = end;
    // The writer puts the root first. Bytes before it are data of files, which must not pass for inodes or directories.
    const offset = inodesOffset + rootNid * SLOT_BYTES;
    this.metadata = { offset, length: source.size - offset };
    this.root = this.inode(rootNid);
    if (this.root.type !== 'directory') throw damaged('the root is not a directory', offset);
  }

  /** @throws OverlayerError `DataLoss`, `Unimplemented` */
  inode(nid: number): ErofsInode {
    const offset = this.#inodesOffset + nid * SLOT_BYTES;
    if (offset < this.metadata.offset) throw damaged('an inode is before the root', offset);
    const bytes = this.#bytes.read(offset, INODE_BYTES, 'an inode');
    const inode = decodeInode(bytes, nid, offset, { fileEnd: this.#bytes.size, dataEnd: this.#end });
    const { layout, type } = inode;
    if (type !== 'file' && layout.kind === 'plain' && layout.start < this.metadata.offset)
      throw damaged(`a ${type} is among the data of files`, offset);
    return inode;
  }

  /**
   * Finds a name by binary search.
   *
   * @param name one component, in the form of `TarEntry.path`
   * @throws OverlayerError `DataLoss`, `Unimplemented`
   */
  lookup(directory: ErofsInode, name: string): ErofsInode | undefined {
    const wanted = encodePath(name);
    if (isDots(wanted)) return undefined;
    let low = 0;
    let high = blockCount(directory) - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#block(directory, middle).name(0).compare(wanted) > 0) high = middle - 1;
      else low = middle;
    }
    const block = this.#block(directory, low);
    for (let at = 0; at < block.count; at++)
      if (block.name(at).equals(wanted)) return this.#entryInode(block.nid(at), block.type(at));
    return undefined;
  }

  /**
   * Lists a directory, without `.` and `..`, in the order of the bytes of the names. Checks this order, and that no name
   * stands twice.
   *
   * @throws OverlayerError `DataLoss`, `Unimplemented`
   */
  *entries(directory: ErofsInode): IterableIterator<ErofsEntry> {
    let last: Buffer = Buffer.alloc(0);
    let dots = 0;
    for (let number = 0; number < blockCount(directory); number++) {
      // A copy: the caller may read the image between two names.
      const block = this.#block(directory, number, 'copy');
      for (let at = 0; at < block.count; at++) {
        const bytes = block.name(at);
        if (last.compare(bytes) >= 0)
          throw damaged('the names of a directory are not in order', directory.offset);
        last = bytes;
        if (isDots(bytes)) dots++;
        else yield { name: decodePath(bytes), nid: block.nid(at), type: block.type(at) };
      }
    }
    if (dots !== 2) throw damaged('a directory lacks the names "." and ".."', directory.offset);
  }

  /** The inode of a name in a directory. @throws OverlayerError `DataLoss`, `Unimplemented` */
  inodeOf({ nid, type }: ErofsEntry): ErofsInode {
    return this.#entryInode(nid, type);
  }

  /**
   * Extended attributes by their whole names, as the image has them: overlayfs's marks included.
   *
   * @throws OverlayerError `DataLoss`, `Unimplemented`
   */
  xattrs({ offset, xattrBytes }: ErofsInode): ReadonlyMap<string, Uint8Array> {
    if (xattrBytes === 0) return NO_XATTRS;
    const start = offset + INODE_BYTES;
    return decodeXattrs(this.#bytes.read(start, xattrBytes, 'extended attributes'), start);
  }

  /** The target of a symlink. @throws OverlayerError `DataLoss` */
  target(symlink: ErofsInode): string {
    const { size, offset, type } = symlink;
    if (type !== 'symlink')
      throw new OverlayerError('InvalidArgument', `A ${type} has no target`, { offset });
    if (size < 1 || size >= MAX_TARGET) throw damaged(`a symlink has a target of ${size} bytes`, offset);
    const bytes = Buffer.alloc(size);
    this.read(symlink, bytes, 0);
    if (bytes.includes(0)) throw damaged('the target of a symlink has a zero', offset);
    return decodePath(bytes);
  }

  /**
   * The places of a file's contents, in the order of the file. Chunks that lie together are one extent.
   *
   * @throws OverlayerError `DataLoss`
   */
  *extents(file: ErofsInode): IterableIterator<ErofsExtent> {
    const { layout, size } = file;
    if (layout.kind === 'none') return;
    if (layout.kind === 'plain') return yield { position: 0, offset: layout.start, length: size };
    let run: { position: number; offset: number; length: number } | undefined;
    for (let position = 0; position < size; position += layout.chunkBytes) {
      const chunk = this.#chunk(file, position);
      if (chunk === undefined) continue;
      if (run !== undefined && continues(run, chunk)) {
        run.length += chunk.length;
        continue;
      }
      if (run !== undefined) yield run;
      run = chunk;
    }
    if (run !== undefined) yield run;
  }

  /**
   * Reads contents into all of `into`, or up to the end of the contents. Of a directory, these are its blocks.
   *
   * @param position in the file, in bytes
   * @returns the number of bytes; 0 at the end
   * @throws OverlayerError `DataLoss`: the file is damaged, or it is a merged image without its layer files
   */
  read(file: ErofsInode, into: Uint8Array, position: number): number {
    const length = Math.max(0, Math.min(into.length, file.size - position));
    for (let done = 0; done < length; ) {
      const { offset, length: available } = this.#locate(file, position + done);
      const part = Math.min(available, length - done, READ_BYTES);
      if (offset === undefined) into.fill(0, done, done + part);
      else into.set(this.#bytes.read(offset, part, 'the contents of a file'), done);
      done += part;
    }
    return length;
  }

  /** The bytes that lie together from `position` on. `offset` is undefined in a hole. */
  #locate(
    file: ErofsInode,
    position: number,
  ): { readonly offset: number | undefined; readonly length: number } {
    const { layout, size } = file;
    switch (layout.kind) {
      case 'none':
        throw damaged('a file without contents has a size', file.offset);
      case 'plain':
        return { offset: layout.start + position, length: size - position };
      case 'chunks': {
        const within = position % layout.chunkBytes;
        const start = position - within;
        const chunk = this.#chunk(file, start);
        const length = Math.min(layout.chunkBytes, size - start) - within;
        return { offset: chunk && chunk.offset + within, length };
      }
    }
  }

  /** @param position of the chunk in the file. @returns undefined for a hole */
  #chunk({ layout, size }: ErofsInode, position: number): (ErofsExtent & { length: number }) | undefined {
    if (layout.kind !== 'chunks') return undefined;
    const { map, chunkBytes } = layout;
    const at = map + (position / chunkBytes) * CHUNK_INDEX_BYTES;
    const block = this.#bytes.read(at, CHUNK_INDEX_BYTES, 'a chunk map').readUInt32LE(0);
    if (block === NO_BLOCK) return undefined;
    const offset = block * BLOCK_BYTES;
    const length = Math.min(chunkBytes, size - position);
    if (offset + length > this.#end) throw damaged('a chunk is outside the image', at);
    return { position, offset, length };
  }

  #block(directory: ErofsInode, number: number, memory: 'copy' | 'view' = 'view'): DirectoryBlock {
    if (directory.type !== 'directory')
      throw new OverlayerError('InvalidArgument', `A ${directory.type} has no names`, {
        offset: directory.offset,
      });
    const { offset, length } = this.#locate(directory, number * BLOCK_BYTES);
    const bytes = this.#bytes.read(offset!, Math.min(BLOCK_BYTES, length), 'a directory');
    return new DirectoryBlock(memory === 'copy' ? Buffer.from(bytes) : bytes, offset!);
  }

  #entryInode(nid: number, type: ErofsType): ErofsInode {
    const inode = this.inode(nid);
    if (inode.type !== type) throw damaged(`a name says ${type}, and its inode ${inode.type}`, inode.offset);
    return inode;
  }
}

const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();
/** Largest read of contents in one call of the source. */
const READ_BYTES = 1024 ** 2;

function blockCount({ size }: ErofsInode): number {
  return Math.ceil(size / BLOCK_BYTES);
}

function continues(run: ErofsExtent, chunk: ErofsExtent): boolean {
  return run.position + run.length === chunk.position && run.offset + run.length === chunk.offset;
}

function isDots(name: Buffer): boolean {
  return name[0] === DOT && (name.length === 1 || (name.length === 2 && name[1] === DOT));
}

const DOT = 0x2e;

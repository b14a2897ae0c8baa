import { hasNonZero } from '../../base/has-non-zero.js';
import {
  BLOCK_BITS,
  BLOCK_BYTES,
  CHUNK_INDEX_BYTES,
  type ErofsType,
  EXTENDED,
  INODE_BYTES,
  LAYOUT,
  MODE,
  TYPE_MODES,
  XATTR_ENTRY_BYTES,
  XATTR_HEADER_BYTES,
} from '../format.js';
import { damaged, foreign } from './paged-bytes.js';

/** A file of any type: the inode without the name. */
export interface ErofsInode {
  /** Position of the inode in units of 32 bytes from the first. Directory entries with the same number are hard links. */
  readonly nid: number;
  readonly type: ErofsType;
  /** Permission bits and setuid, setgid, sticky: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  /** Bytes of a file's contents, of a symlink's target or of a directory's blocks. */
  readonly size: number;
  /** Modification time: whole seconds (negative before 1970) and nanoseconds 0 to 999,999,999. */
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  /** Of devices; else 0. */
  readonly devMajor: number;
  readonly devMinor: number;
  /** Where the contents are. */
  readonly layout: ErofsLayout;
  /** Offset of the inode in the file, in bytes. */
  readonly offset: number;
  /** Bytes of the extended attributes, which follow the 64 bytes of the inode; 0 without any. */
  readonly xattrBytes: number;
}

/** Where the image has the data of an inode. */
export type ErofsLayout =
  /** No contents: a device, a FIFO, or an empty file. */
  | { readonly kind: 'none' }
  /** All bytes lie together, from `start` on. Offsets are in bytes. */
  | { readonly kind: 'plain'; readonly start: number }
  /** Parts of `chunkBytes` each: one index for each part lies at `map` and later. */
  | {
      readonly kind: 'chunks';
      readonly map: number;
      readonly chunkBytes: number;
    };

/** Bits of the chunk format that have the size of a chunk. Others say that the indexes have 8 bytes. */
const CHUNK_BITS = 0x1f;

const TYPES: ReadonlyMap<number, ErofsType> = new Map(
  (Object.keys(TYPE_MODES) as ErofsType[]).map((type) => [TYPE_MODES[type], type]),
);

interface Ends {
  /** Bytes of the file. */
  readonly fileEnd: number;
  /** The end of the data of files, which may be in other files. */
  readonly dataEnd: number;
}

/**
 * @param bytes the 64 bytes of the inode
 * @param offset where they lie in the file
 * @throws OverlayerError `DataLoss`, `Unimplemented`
 */
export function decodeInode(bytes: Buffer, nid: number, offset: number, ends: Ends): ErofsInode {
  const format = bytes.readUInt16LE(0);
  if ((format & EXTENDED) === 0) throw foreign('an inode of the compact form', offset);
  if (format >> 4 !== 0) throw foreign(`an inode of the unknown form 0x${format.toString(16)}`, offset);
  if (bytes.readUInt16LE(6) !== 0 || hasNonZero(bytes, 0x30, INODE_BYTES))
    throw foreign('an inode with fields of a later format', offset);
  const mode = bytes.readUInt16LE(4);
  const type = TYPES.get(mode & MODE.type);
  if (type === undefined) throw damaged(`an inode has the unknown type 0o${mode.toString(8)}`, offset);
  const sizeHigh = bytes.readUInt32LE(0xc);
  const secHigh = bytes.readInt32LE(0x24);
  const mtimeNsec = bytes.readUInt32LE(0x28);
  if (sizeHigh > SAFE_HIGH || secHigh > SAFE_HIGH || secHigh < -SAFE_HIGH || mtimeNsec > 999_999_999)
    throw damaged('a size or a time of an inode is out of range', offset);
  const size = sizeHigh * 2 ** 32 + bytes.readUInt32LE(8);
  const xattrCount = bytes.readUInt16LE(2);
  const xattrBytes = xattrCount === 0 ? 0 : XATTR_HEADER_BYTES + (xattrCount - 1) * XATTR_ENTRY_BYTES;
  const behind = offset + INODE_BYTES + xattrBytes;
  if (behind > ends.fileEnd) throw damaged('extended attributes are outside the file', offset);
  const word = bytes.readUInt32LE(0x10);
  const device = type === 'character-device' || type === 'block-device' ? word : 0;
  return {
    nid,
    type,
    mode: mode & 0o7777,
    uid: bytes.readUInt32LE(0x18),
    gid: bytes.readUInt32LE(0x1c),
    nlink: bytes.readUInt32LE(0x2c),
    size,
    mtimeSec: secHigh * 2 ** 32 + bytes.readUInt32LE(0x20),
    mtimeNsec,
    devMajor: (device >>> 8) & 0xfff,
    devMinor: (device & 0xff) | ((device >>> 12) & 0xfff00),
    offset,
    xattrBytes,
    layout: decodeLayout({ type, size, offset, behind, word }, format >> 1, ends),
  };
}

/** Upper halves of numbers up to 2^53. */
const SAFE_HIGH = 0x1fffff;

function decodeLayout(
  {
    type,
    size,
    offset,
    behind,
    word,
  }: {
    readonly type: ErofsType;
    readonly size: number;
    /** Of the inode. */
    readonly offset: number;
    /** Offset of the first byte behind the inode and its attributes. */
    readonly behind: number;
    readonly word: number;
  },
  layout: number,
  { fileEnd, dataEnd }: Ends,
): ErofsLayout {
  const hasContents = type === 'file' || type === 'directory' || type === 'symlink';
  if (!hasContents) {
    if (size !== 0) throw damaged(`a ${type} has contents`, offset);
    return { kind: 'none' };
  }
  const start = word * BLOCK_BYTES;
  if (type === 'directory' && size === 0) throw damaged('a directory has no names', offset);
  switch (layout) {
    case LAYOUT.plain:
      if (size === 0) return { kind: 'none' };
      if (start + size > dataEnd) throw damaged('the contents of a file are outside the image', offset);
      return { kind: 'plain', start };
    case LAYOUT.inline:
      if (type === 'file' || size >= BLOCK_BYTES)
        throw foreign(`a ${type} with its end behind the inode`, offset);
      // The kernel reads these bytes from one block.
      if ((behind % BLOCK_BYTES) + size > BLOCK_BYTES || behind + size > fileEnd)
        throw damaged(`the contents of a ${type} are not in the block of its inode`, offset);
      return size === 0 ? { kind: 'none' } : { kind: 'plain', start: behind };
    case LAYOUT.chunked: {
      if (type !== 'file') throw foreign(`a ${type} in chunks`, offset);
      if ((word & ~CHUNK_BITS) !== 0)
        throw foreign(`the unknown chunk format 0x${word.toString(16)}`, offset);
      const chunkBytes = 2 ** (BLOCK_BITS + word);
      if (behind + Math.ceil(size / chunkBytes) * CHUNK_INDEX_BYTES > fileEnd)
        throw damaged('the chunk map of a file is outside the image', offset);
      return size === 0 ? { kind: 'none' } : { kind: 'chunks', map: behind, chunkBytes };
    }
    default:
      throw foreign(`a file of the layout ${layout} (compressed or unknown)`, offset);
  }
}

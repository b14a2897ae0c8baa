// Constants of the EROFS format (Linux, fs/erofs/erofs_fs.h), as far as layer files use them. All numbers on disk are
// little-endian.

/** Blocks have 512 bytes, like those of tar: the data of a tar member can be the blocks of a file. */
export const BLOCK_BITS = 9;
export const BLOCK_BYTES: number = 1 << BLOCK_BITS;

/** The length of a layer file is a multiple of this. Loop devices and `device=` mounts need that. */
export const FILE_ALIGNMENT = 4096;

/** The superblock is at this offset, behind the head of a layer file. */
export const SUPERBLOCK_OFFSET = 1024;
export const SUPERBLOCK_MAGIC = 0xe0f5e1e2;

/** Bits of `feature_compat`. */
export const COMPAT = { checksum: 1, mtime: 2 } as const;
/** Bits of `feature_incompat`. */
export const INCOMPAT = { chunkedFile: 4, deviceTable: 8 } as const;

/** Bytes of a slot in the device table, whose offset counts in these as well. */
export const DEVICE_SLOT_BYTES = 128;

/** Inodes begin at multiples of this, counted from `meta_blkaddr`. The quotient is the inode's number, its nid. */
export const SLOT_BYTES = 32;
export const INODE_BYTES = 64;
/** Bit 0 of `i_format`: an inode of 64 bytes. */
export const EXTENDED = 1;
/** Layouts of data, in bits 1 to 3 of `i_format`. */
export const LAYOUT = { plain: 0, inline: 2, chunked: 4 } as const;
/** The index of a chunk is the number of its first block. */
export const CHUNK_INDEX_BYTES = 4;
/** Block number of data that do not exist: of an empty file, or of a hole. */
export const NO_BLOCK = 0xffffffff;

export const DIRENT_BYTES = 12;
export const MAX_NAME_BYTES = 255;
/** Types of directory entries. */
export const FILE_TYPE = {
  file: 1,
  directory: 2,
  characterDevice: 3,
  blockDevice: 4,
  fifo: 5,
  socket: 6,
  symlink: 7,
} as const;

/** Types of inodes, as in `st_mode`. */
export const MODE = {
  type: 0o170000,
  fifo: 0o010000,
  characterDevice: 0o020000,
  directory: 0o040000,
  blockDevice: 0o060000,
  file: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
} as const;

/** Header before an inode's extended attributes. */
export const XATTR_HEADER_BYTES = 12;
export const XATTR_ENTRY_BYTES = 4;
/** `i_xattr_icount` has 16 bits: it counts the header as 1, and each further 4 bytes. */
export const MAX_XATTR_BYTES: number = XATTR_HEADER_BYTES + (0xffff - 1) * 4;
export const MAX_XATTR_VALUE_BYTES = 0xffff;
/** Prefixes of attributes' names and their numbers. Only names with these prefixes can be stored. */
export const XATTR_PREFIXES = [
  ['user.', 1],
  ['system.posix_acl_access', 2],
  ['system.posix_acl_default', 3],
  ['trusted.', 4],
  ['security.', 6],
] as const;

/** The type of a file in the image. */
export type ErofsType = 'file' | 'directory' | 'symlink' | 'character-device' | 'block-device' | 'fifo';

/** The types of files in a layer, as inodes have them. */
export const TYPE_MODES: Readonly<Record<ErofsType, number>> = {
  file: MODE.file,
  directory: MODE.directory,
  symlink: MODE.symlink,
  'character-device': MODE.characterDevice,
  'block-device': MODE.blockDevice,
  fifo: MODE.fifo,
};

/** The next multiple of `unit`. */
export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

import { crc32c } from './crc32c.js';
import { BLOCK_BITS, BLOCK_BYTES, COMPAT, DEVICE_SLOT_BYTES, INCOMPAT, SUPERBLOCK_MAGIC } from './format.js';

/** What the superblock of an image says. */
export interface Superblock {
  /** Of 16 bytes. */
  readonly uuid: Uint8Array;
  /** Block that inode numbers count from. */
  readonly metadataBlock: number;
  /** Number of the root's inode: 0 to 65,535. */
  readonly rootNid: number;
  readonly inodes: number;
  /** Blocks of the whole file. */
  readonly blocks: number;
  readonly hasChunkedFiles: boolean;
  /** The table of the files that hold the data of a merged image. @default none */
  readonly devices?: { readonly count: number /** A multiple of 128. */; readonly offset: number };
}

/** @returns the block of 512 bytes that stands at `SUPERBLOCK_OFFSET` */
export function encodeSuperblock(superblock: Superblock): Buffer {
  const bytes = Buffer.alloc(BLOCK_BYTES);
  bytes.writeUInt32LE(SUPERBLOCK_MAGIC, 0);
  bytes.writeUInt32LE(COMPAT.checksum | COMPAT.mtime, 8);
  bytes[0x0c] = BLOCK_BITS;
  bytes.writeUInt16LE(superblock.rootNid, 0x0e);
  bytes.writeUInt32LE(superblock.inodes, 0x10);
  bytes.writeUInt32LE(superblock.blocks, 0x24);
  bytes.writeUInt32LE(superblock.metadataBlock, 0x28);
  bytes.set(superblock.uuid.subarray(0, 16), 0x30);
  const { devices, hasChunkedFiles } = superblock;
  const features = (hasChunkedFiles ? INCOMPAT.chunkedFile : 0) | (devices ? INCOMPAT.deviceTable : 0);
  bytes.writeUInt32LE(features, 0x50);
  if (devices !== undefined) {
    bytes.writeUInt16LE(devices.count, 0x56);
    bytes.writeUInt16LE(devices.offset / DEVICE_SLOT_BYTES, 0x58);
  }
  // The checksum covers the block with a checksum of zero.
  bytes.writeUInt32LE(crc32c(bytes), 4);
  return bytes;
}

/** The uuid of a layer file: a function of the diffID (RFC 9562, version 8). */
export function layerUuid(diffID: Uint8Array): Uint8Array {
  const uuid = Uint8Array.from(diffID.subarray(0, 16));
  uuid[6] = (uuid[6]! & 0x0f) | 0x80;
  uuid[8] = (uuid[8]! & 0x3f) | 0x80;
  return uuid;
}

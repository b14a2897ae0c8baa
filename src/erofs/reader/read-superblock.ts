import { OverlayerError } from '../../base/errors.js';
import { hasNonZero } from '../../base/has-non-zero.js';
import { crc32c } from '../crc32c.js';
import {
  BLOCK_BITS,
  BLOCK_BYTES,
  COMPAT,
  DEVICE_SLOT_BYTES,
  INCOMPAT,
  SUPERBLOCK_MAGIC,
  SUPERBLOCK_OFFSET,
} from '../format.js';
import { damaged, foreign, type PagedBytes } from './paged-bytes.js';

const KNOWN_COMPAT: number = COMPAT.checksum | COMPAT.mtime;
const KNOWN_INCOMPAT: number = INCOMPAT.chunkedFile | INCOMPAT.deviceTable;

interface ReadSuperblock {
  /** Offset of inode 0, in bytes. */
  readonly inodesOffset: number;
  readonly rootNid: number;
  /** The end of the data: of the file, or of the last device. */
  readonly end: number;
}

/** @throws OverlayerError `InvalidArgument`, `Unimplemented`, `DataLoss` */
export function readSuperblock(file: PagedBytes): ReadSuperblock {
  if (file.size < SUPERBLOCK_OFFSET + BLOCK_BYTES)
    throw new OverlayerError('InvalidArgument', `A file of ${file.size} bytes is no EROFS image`);
  const bytes = Buffer.from(file.read(SUPERBLOCK_OFFSET, BLOCK_BYTES, 'the superblock'));
  const magic = bytes.readUInt32LE(0);
  if (magic !== SUPERBLOCK_MAGIC)
    throw new OverlayerError('InvalidArgument', 'The file is no EROFS image, or was not written to its end', {
      offset: SUPERBLOCK_OFFSET,
    });
  checkForm(bytes);
  const checksum = bytes.readUInt32LE(4);
  bytes.writeUInt32LE(0, 4);
  if (crc32c(bytes) !== checksum) throw damaged('the checksum of the superblock is wrong', SUPERBLOCK_OFFSET);
  const blocks = bytes.readUInt32LE(0x24);
  if (blocks * BLOCK_BYTES > file.size)
    throw damaged(`it has ${file.size} bytes instead of ${blocks * BLOCK_BYTES}: it was cut off`, file.size);
  return {
    inodesOffset: bytes.readUInt32LE(0x28) * BLOCK_BYTES,
    rootNid: bytes.readUInt16LE(0x0e),
    end: deviceEnds(file, bytes).reduce((most, end) => Math.max(most, end), file.size),
  };
}

/** @throws OverlayerError `Unimplemented` */
function checkForm(bytes: Buffer): void {
  const compatible = bytes.readUInt32LE(8);
  if (compatible !== KNOWN_COMPAT)
    throw foreign(`the compatible features ${compatible}`, SUPERBLOCK_OFFSET + 8);
  const incompatible = bytes.readUInt32LE(0x50);
  if ((incompatible & ~KNOWN_INCOMPAT) !== 0)
    throw foreign(`the incompatible features ${incompatible}`, SUPERBLOCK_OFFSET + 0x50);
  if (bytes[0x0c] !== BLOCK_BITS) throw foreign(`blocks of 2^${bytes[0x0c]} bytes`, SUPERBLOCK_OFFSET + 0x0c);
  for (const [start, end] of UNUSED)
    if (hasNonZero(bytes, start, end))
      throw foreign('an unknown field in its superblock', SUPERBLOCK_OFFSET + start);
}

/** Fields of the superblock that are zero without features that overlayer does not use. */
const UNUSED = [
  [0x0d, 0x0e],
  [0x2c, 0x30],
  [0x54, 0x56],
  [0x5a, BLOCK_BYTES],
] as const;

/** Devices count on from the end of the image: `uniaddr` is the block of the first byte of one. */
function deviceEnds(file: PagedBytes, superblock: Buffer): readonly number[] {
  const count = superblock.readUInt16LE(0x56);
  const table = superblock.readUInt16LE(0x58) * DEVICE_SLOT_BYTES;
  return Array.from({ length: count }, (_, at) => {
    const slot = file.read(table + at * DEVICE_SLOT_BYTES, DEVICE_SLOT_BYTES, 'the device table');
    return (slot.readUInt32LE(64) + slot.readUInt32LE(68)) * BLOCK_BYTES;
  });
}

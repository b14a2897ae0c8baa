import { OverlayerError } from '../base/errors.js';
import { crc32c } from './crc32c.js';
import { BLOCK_BYTES, FILE_ALIGNMENT } from './format.js';

/** Bytes of the head, which is at the beginning of the file. The superblock follows. */
export const HEAD_BYTES = 1024;
/** Offset of the tar in a layer file. */
export const TAR_OFFSET = 4096;
/** The version of the form that this code writes and reads. */
const LAYER_VERSION = 1;

const MAGIC = Buffer.from('overlayer.layer\n', 'latin1');
const CHECKSUM_OFFSET = 1020;
/** Bytes from here to the checksum are zero. */
const FIELDS_END = 140;
const DIGEST_BYTES = 32;

const FLAG = { dependsOnLowers: 1, inheritsRoot: 2 } as const;
const KNOWN_FLAGS: number = FLAG.dependsOnLowers | FLAG.inheritsRoot;

/** Facts about a layer file that its first 1024 bytes hold. The EROFS superblock does not need them. */
export interface LayerHead {
  /**
   * The files depend on the layers below: on other layers, the same tar could give other files. Such a layer file
   * belongs to one chain only.
   */
  readonly dependsOnLowers: boolean;
  /** The layer has no entry for the root. Its root has the attributes of a new one, not those of the layer below. */
  readonly inheritsRoot: boolean;
  /** Bytes of the tar, which begins at `TAR_OFFSET`. */
  readonly tarBytes: number;
  /** sha256 of the tar: the diffID. 32 bytes. */
  readonly diffID: Uint8Array;
  /** Offset of the metadata: a multiple of 512. */
  readonly metadataOffset: number;
  /** Bytes of the whole file: a multiple of 4096. */
  readonly fileBytes: number;
  /** sha256 of all bytes after the tar. 32 bytes. */
  readonly rest: Uint8Array;
  /** Entries of the tar. */
  readonly entries: number;
  readonly inodes: number;
  /** Entries of the tar that are whiteouts or opaque marks. */
  readonly whiteouts: number;
}

/** @returns the first 1024 bytes of a layer file */
export function encodeHead(head: LayerHead): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(LAYER_VERSION, 16);
  const flags =
    (head.dependsOnLowers ? FLAG.dependsOnLowers : 0) | (head.inheritsRoot ? FLAG.inheritsRoot : 0);
  bytes.writeUInt32LE(flags, 20);
  writeNumber(bytes, 24, TAR_OFFSET);
  writeNumber(bytes, 32, head.tarBytes);
  bytes.set(head.diffID.subarray(0, DIGEST_BYTES), 40);
  writeNumber(bytes, 72, head.metadataOffset);
  writeNumber(bytes, 80, head.fileBytes);
  bytes.set(head.rest.subarray(0, DIGEST_BYTES), 88);
  writeNumber(bytes, 120, head.entries);
  writeNumber(bytes, 128, head.inodes);
  bytes.writeUInt32LE(head.whiteouts, 136);
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, CHECKSUM_OFFSET)), CHECKSUM_OFFSET);
  return bytes;
}

/** Whether a file with these first bytes claims to be a layer file. */
export function isLayerHead(bytes: Uint8Array): boolean {
  return bytes.length >= MAGIC.length && MAGIC.equals(bytes.subarray(0, MAGIC.length));
}

/**
 * Reads the head strictly: each number must be possible, and bytes without a meaning must be zero.
 *
 * @param bytes the first 1024 bytes of the file, or more
 * @throws OverlayerError `InvalidArgument`: not a layer file; `Unimplemented`: of another version; `DataLoss`: damaged
 */
export function decodeHead(bytes: Uint8Array): LayerHead {
  if (!isLayerHead(bytes))
    throw new OverlayerError(
      'InvalidArgument',
      'not a layer file: its first 16 bytes are not "overlayer.layer"',
      {
        offset: 0,
      },
    );
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, HEAD_BYTES));
  if (head.length < HEAD_BYTES) throw damaged(head.length, `the head is cut off after ${head.length} bytes`);
  if (head.readUInt32LE(CHECKSUM_OFFSET) !== crc32c(head.subarray(0, CHECKSUM_OFFSET)))
    throw damaged(CHECKSUM_OFFSET, 'the checksum of the head is wrong');
  const version = head.readUInt32LE(16);
  if (version !== LAYER_VERSION)
    throw new OverlayerError('Unimplemented', `the layer file has version ${version}, not ${LAYER_VERSION}`, {
      offset: 16,
      hint: 'use the release of overlayer that wrote it, or unpack the layer again',
    });
  const flags = head.readUInt32LE(20);
  if (flags & ~KNOWN_FLAGS) throw damaged(20, `unknown flags ${flags}`);
  const tarOffset = readNumber(head, 24);
  if (tarOffset !== TAR_OFFSET) throw damaged(24, `the tar is at ${tarOffset}, not at ${TAR_OFFSET}`);
  for (let at = FIELDS_END; at < CHECKSUM_OFFSET; at++)
    if (head[at] !== 0) throw damaged(at, 'bytes without a meaning are not zero');
  const tarBytes = readNumber(head, 32);
  const metadataOffset = readNumber(head, 72);
  const fileBytes = readNumber(head, 80);
  if (metadataOffset % BLOCK_BYTES !== 0 || metadataOffset < TAR_OFFSET + tarBytes)
    throw damaged(72, `the metadata are at ${metadataOffset}, which is inside of the tar or of a block`);
  if (fileBytes % FILE_ALIGNMENT !== 0 || fileBytes < metadataOffset + BLOCK_BYTES)
    throw damaged(80, `the file has ${fileBytes} bytes, and metadata at ${metadataOffset}`);
  return {
    dependsOnLowers: (flags & FLAG.dependsOnLowers) !== 0,
    inheritsRoot: (flags & FLAG.inheritsRoot) !== 0,
    tarBytes,
    diffID: Uint8Array.from(head.subarray(40, 40 + DIGEST_BYTES)),
    metadataOffset,
    fileBytes,
    rest: Uint8Array.from(head.subarray(88, 88 + DIGEST_BYTES)),
    entries: readNumber(head, 120),
    inodes: readNumber(head, 128),
    whiteouts: head.readUInt32LE(136),
  };
}

function writeNumber(bytes: Buffer, at: number, value: number): void {
  bytes.writeBigUInt64LE(BigInt(value), at);
}

function readNumber(bytes: Buffer, at: number): number {
  const value = Number(bytes.readBigUInt64LE(at));
  if (!Number.isSafeInteger(value)) throw damaged(at, 'a number is too large');
  return value;
}

function damaged(offset: number, reason: string): OverlayerError {
  return new OverlayerError('DataLoss', `the layer file is damaged: ${reason}`, {
    offset,
    hint: 'unpack the layer again',
  });
}

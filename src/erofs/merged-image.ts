import { createHash } from 'node:crypto';
import { OverlayerError } from '../base/errors.js';
import { DEFAULT_LIMITS, type Limits } from '../base/limits.js';
import { BLOCK_BYTES, DEVICE_SLOT_BYTES, roundUp, SUPERBLOCK_OFFSET } from './format.js';
import { type Layout, layOut, MAX_BLOCKS } from './layout.js';
import { type MergedLayer, mergeTrees } from './merge-trees.js';
import { encodeSuperblock, layerUuid } from './superblock.js';
import { writeMetadata } from './writer.js';

/** A layer file of a merged image. */
export interface ErofsLayerFile extends MergedLayer {
  /** sha256 of the layer's tar: 32 bytes. */
  readonly diffID: Uint8Array;
}

/** Offset of the device table: the first byte behind the superblock's page. */
const DEVICE_TABLE = 4096;

/**
 * The merged metadata of several layer files: an EROFS image of all directories and inodes, whose data stay in the layer files.
 * There are two ways to mount it:
 *
 * - as it is, with one option `device=FILE` for each layer, lowest first
 * - as one file: the image, and behind it the layer files in the same order, each at `offsets`
 *
 * The tree is the one that overlayfs shows, but for the link counts of directories. The bytes are a function of the layer files.
 */
export interface MergedImage {
  /** Bytes of the image: a multiple of 4096. */
  readonly bytes: number;
  /** Offset of each layer file, lowest first, in the form of one file. */
  readonly offsets: readonly number[];
  /** Bytes of the form of one file: a multiple of 4096. */
  readonly wholeBytes: number;
  /**
   * The first bytes of the image, with its superblock. Written last, they keep half an image from being mounted. Bytes 0 to
   * 1023 mean nothing to the kernel: `writeMergedHead` writes there.
   */
  readonly beginning: Uint8Array;
  /** The bytes of the image after `beginning`. A piece is valid until the next one. */
  metadata(): Generator<Uint8Array, void, void>;
}

/**
 * Merges layer files, lowest first. All metadata are in memory until the image is written: about 100 bytes for each file beside
 * its name.
 *
 * @throws OverlayerError
 *   - as `ErofsReader`, for each of the layers
 *   - `ResourceExhausted`: a limit was reached, or image and layers together have more than 2 TiB
 *   - `InvalidArgument`: no layer, or more than 65,535
 */
export function mergeErofs(
  layers: readonly ErofsLayerFile[],
  limits: Pick<Limits, 'maxEntries' | 'maxMemory'> = DEFAULT_LIMITS,
): MergedImage {
  if (layers.length === 0 || layers.length > MAX_LAYERS)
    throw new OverlayerError('InvalidArgument', `Cannot merge ${layers.length} layers`);
  const table = DEVICE_TABLE + roundUp(layers.length * DEVICE_SLOT_BYTES, BLOCK_BYTES);
  const layout = layOut(mergeTrees(layers, limits), table, { data: 'behind' });
  const bytes = table + layout.length;
  let wholeBytes = bytes;
  const offsets = layers.map((layer) => {
    const offset = wholeBytes;
    wholeBytes += layer.bytes;
    return offset;
  });
  if (wholeBytes / BLOCK_BYTES > MAX_BLOCKS)
    throw new OverlayerError('ResourceExhausted', 'The merged image and its layers have more than 2 TiB');
  return {
    ...{ bytes, offsets, wholeBytes },
    beginning: encodeBeginning(layers, layout, offsets, table),
    metadata: () => writeMetadata(layout),
  };
}

const MAX_LAYERS = 0xffff;

const MAGIC = Buffer.from('overlayer.merged', 'latin1');
const HEAD = { digest: 16, length: 48 } as const;

/** What the first 1024 bytes of a merged image say. */
export interface MergedHead {
  /** sha256 of the bytes of the image after the first 1024: 32 bytes. */
  readonly digest: Uint8Array;
  /** Bytes of the image, without layers behind it. */
  readonly bytes: number;
}

/** @param beginning of a merged image */
export function writeMergedHead(beginning: Uint8Array, { digest, bytes }: MergedHead): void {
  const head = Buffer.from(beginning.buffer, beginning.byteOffset, SUPERBLOCK_OFFSET);
  MAGIC.copy(head);
  head.set(digest, HEAD.digest);
  head.writeBigUInt64LE(BigInt(bytes), HEAD.length);
}

/** @returns undefined when these are not the first 1024 bytes of a merged image with a head */
export function readMergedHead(bytes: Buffer): MergedHead | undefined {
  if (bytes.length < SUPERBLOCK_OFFSET || !MAGIC.equals(bytes.subarray(0, MAGIC.length))) return undefined;
  return {
    digest: bytes.subarray(HEAD.digest, HEAD.length),
    bytes: Number(bytes.readBigUInt64LE(HEAD.length)),
  };
}

/** Superblock and device table. */
function encodeBeginning(
  layers: readonly ErofsLayerFile[],
  layout: Layout,
  offsets: readonly number[],
  table: number,
): Buffer {
  const bytes = Buffer.alloc(table);
  const chain = createHash('sha256');
  for (const [at, { diffID, bytes: layerBytes }] of layers.entries()) {
    chain.update(diffID);
    const slot = DEVICE_TABLE + at * DEVICE_SLOT_BYTES;
    // The tag has 64 bytes: a digest in hexadecimal digits.
    bytes.write(Buffer.from(diffID).toString('hex'), slot, 'latin1');
    bytes.writeUInt32LE(layerBytes / BLOCK_BYTES, slot + 64);
    bytes.writeUInt32LE(offsets[at]! / BLOCK_BYTES, slot + 68);
  }
  const superblock = encodeSuperblock({
    ...layout,
    uuid: layerUuid(chain.digest()),
    blocks: (layout.start + layout.length) / BLOCK_BYTES,
    devices: { count: layers.length, offset: DEVICE_TABLE },
  });
  superblock.copy(bytes, SUPERBLOCK_OFFSET);
  return bytes;
}

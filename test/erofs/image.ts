import { SUPERBLOCK_OFFSET } from '../../src/erofs/format.js';
import { type ErofsTree, encodeSuperblock, layOut, writeMetadata } from '../../src/erofs/index.js';

const METADATA = 4096;

/** An image of a tree without a tar. Files have no data beyond `data`, which begin at offset 4096. */
export function imageOf(tree: ErofsTree, data: Uint8Array = new Uint8Array(0)): Buffer {
  const start = METADATA + Math.ceil(data.length / 512) * 512;
  const layout = layOut(tree, start);
  const pieces: Buffer[] = [];
  for (const piece of writeMetadata(layout)) pieces.push(Buffer.from(piece));
  const metadata = Buffer.concat(pieces);
  const superblock = encodeSuperblock({
    uuid: new Uint8Array(16),
    metadataBlock: layout.metadataBlock,
    rootNid: layout.rootNid,
    inodes: layout.inodes,
    blocks: (start + metadata.length) / 512,
    hasChunkedFiles: layout.hasChunkedFiles,
  });
  const image = Buffer.alloc(start + metadata.length);
  superblock.copy(image, SUPERBLOCK_OFFSET);
  image.set(data, METADATA);
  metadata.copy(image, start);
  return image;
}

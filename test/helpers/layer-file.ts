import { createHash } from 'node:crypto';
import {
  type ErofsTree,
  encodeHead,
  encodeSuperblock,
  layerUuid,
  layOut,
  TAR_OFFSET,
  writeMetadata,
} from '../../src/erofs/index.js';

/** A layer file of a tar and of the tree that stands for it. */
export function layerFileOf(tar: Uint8Array, tree: ErofsTree): Buffer {
  const start = TAR_OFFSET + Math.ceil(tar.length / 512) * 512;
  const layout = layOut(tree, start);
  const file = Buffer.alloc(start + layout.length);
  file.set(tar, TAR_OFFSET);
  let at = start;
  for (const piece of writeMetadata(layout)) {
    file.set(piece, at);
    at += piece.length;
  }
  const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();
  const diffID = sha256(tar);
  const { metadataBlock, rootNid, inodes, hasChunkedFiles } = layout;
  const blocks = file.length / 512;
  const superblock = encodeSuperblock({
    uuid: layerUuid(diffID),
    metadataBlock,
    rootNid,
    inodes,
    blocks,
    hasChunkedFiles,
  });
  superblock.copy(file, 1024);
  const head = encodeHead({
    ...{ dependsOnLowers: false, inheritsRoot: false, tarBytes: tar.length, diffID },
    ...{
      metadataOffset: start,
      fileBytes: file.length,
      rest: sha256(file.subarray(TAR_OFFSET + tar.length)),
    },
    ...{ entries: tree.names, inodes, whiteouts: 0 },
  });
  head.copy(file);
  return file;
}

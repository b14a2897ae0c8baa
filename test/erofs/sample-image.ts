import { crc32c } from '../../src/erofs/crc32c.js';
import { MODE } from '../../src/erofs/format.js';
import { ErofsReader, ErofsTree } from '../../src/erofs/index.js';
import { imageOf } from './image.js';

export const ATTRIBUTES = {
  mode: 0o644,
  uid: 1000,
  gid: 70_000,
  mtimeSec: 1_700_000_000,
  mtimeNsec: 123_456_789,
};
export const DATA: Buffer = Buffer.from('the data of a file'.repeat(100));

/** An image with each type of file and each form of metadata. */
export function sampleImage(): Buffer {
  const tree = new ErofsTree();
  const add = (type: number, name: string, attributes: Partial<typeof ATTRIBUTES> = {}) => {
    const inode = tree.addInode(type, { ...ATTRIBUTES, ...attributes });
    tree.link(tree.root, name, inode);
    return inode;
  };
  const directory = add(MODE.directory, 'directory', { mode: 0o2751 });
  const file = add(MODE.file, 'other name', { mtimeSec: -5, mode: 0o4755 });
  tree.setFile(file, DATA.length, 4096);
  tree.link(directory, 'file', file);
  const xattrs = [
    ['user.a', Buffer.from('value')],
    ['system.posix_acl_access', Buffer.from('acl')],
    ['trusted.\udcff', Buffer.alloc(0)],
  ] as const;
  tree.setXattrs(file, new Map(xattrs));
  tree.setTarget(add(MODE.symlink, 'symlink', { mode: 0o777 }), 'directory/\udc80');
  tree.setTarget(add(MODE.symlink, 'long', { mode: 0o777 }), 'x'.repeat(4095));
  tree.setDevice(add(MODE.blockDevice, 'device'), 259, 70_001);
  add(MODE.fifo, 'fifo');
  add(MODE.file, 'empty');
  const sparse = add(MODE.file, 'sparse');
  const parts = [
    { chunk: 2, count: 2, offset: 4096 },
    { chunk: 4, count: 1, offset: 4096 + 1024 },
    { chunk: 8, count: 1, offset: 4096 },
  ];
  tree.setSparse(sparse, 9 * 512 + 100, { chunkBits: 9, parts });
  // More than a block of names.
  for (let at = 0; at < 60; at++) tree.link(directory, `name ${at}`, add(MODE.fifo, `fifo ${at}`));
  return imageOf(tree, DATA);
}

export function readerOf(bytes: Buffer): ErofsReader {
  return new ErofsReader({
    size: bytes.length,
    read: (offset, length) => bytes.subarray(offset, offset + length),
  });
}

/** Mends the checksum of a changed superblock, which would hide what else is wrong. */
export function withChecksum(image: Buffer): Buffer {
  if (image.length < 1536) return image;
  image.writeUInt32LE(0, 1028);
  image.writeUInt32LE(crc32c(image.subarray(1024, 1536)), 1028);
  return image;
}

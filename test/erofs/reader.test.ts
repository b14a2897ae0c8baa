import { describe, expect, test } from 'vitest';
import { MODE } from '../../src/erofs/format.js';
import { type ErofsInode, ErofsTree, walkErofs } from '../../src/erofs/index.js';
import { OverlayerError } from '../../src/index.js';
import { imageOf } from './image.js';
import { ATTRIBUTES, DATA, readerOf, sampleImage, withChecksum } from './sample-image.js';

describe('the reader gives', () => {
  test('files of each type with their attributes', () => {
    const image = readerOf(sampleImage());
    const found = new Map(Array.from(walkErofs(image), ({ path, inode }) => [path, inode]));
    const common = { ...ATTRIBUTES, nlink: 1, devMajor: 0, devMinor: 0 };

    expect([...found.keys()].filter((path) => !/\d/.test(path))).toEqual([
      ...['', 'device', 'directory', 'directory/file', 'empty', 'fifo', 'long', 'other name', 'sparse'],
      'symlink',
    ]);
    expect(found.get('directory')).toMatchObject({ ...common, type: 'directory', mode: 0o2751, nlink: 2 });
    const linked = { ...common, type: 'file', mode: 0o4755, mtimeSec: -5, nlink: 2, size: DATA.length };
    expect(found.get('directory/file')).toMatchObject(linked);
    expect(found.get('other name')).toEqual(found.get('directory/file'));
    expect(found.get('device')).toMatchObject({
      ...common,
      type: 'block-device',
      devMajor: 259,
      devMinor: 70_001,
    });
    expect(found.get('fifo')).toMatchObject({ ...common, type: 'fifo', size: 0 });
    expect(found.get('empty')).toMatchObject({ ...common, type: 'file', size: 0 });
    expect(image.target(found.get('symlink')!)).toBe('directory/\udc80');
    expect(image.target(found.get('long')!)).toBe('x'.repeat(4095));
    const read = Buffer.alloc(4000);
    expect(image.read(found.get('other name')!, read, 7)).toBe(DATA.length - 7);
    expect(read.subarray(0, DATA.length - 7)).toEqual(DATA.subarray(7));
    expect([...image.extents(found.get('other name')!)]).toEqual([
      { position: 0, offset: 4096, length: DATA.length },
    ]);
    expect(image.xattrs(found.get('other name')!)).toEqual(
      new Map([
        ['user.a', new Uint8Array(Buffer.from('value'))],
        ['system.posix_acl_access', new Uint8Array(Buffer.from('acl'))],
        ['trusted.\udcff', new Uint8Array(0)],
      ]),
    );
  });

  test('each of 5,000 names of a directory, and no other', () => {
    const tree = new ErofsTree();
    const names = ['-', '+x', '.+', '.a', '...', '..b', 'é', '\udcff\udc80', 'n'.repeat(255)];
    for (let at = 0; at < 5000; at++) names.push(`${(at * 7919) % 5000}`);
    const inodes = new Map<string, number>();
    for (const [at, name] of names.entries()) {
      const inode = tree.addInode(MODE.fifo, { ...ATTRIBUTES, uid: at });
      tree.link(tree.root, name, inode);
      inodes.set(name, at);
    }
    const image = readerOf(imageOf(tree));
    const listed = Array.from(image.entries(image.root), ({ name }) => name);
    expect(new Set(listed)).toEqual(new Set(names));
    for (const [name, uid] of inodes) expect(image.lookup(image.root, name)?.uid).toBe(uid);
    for (const name of ['', '.', '..', '5000', '1x', '\uffff', 'n'.repeat(254), 'n'.repeat(300)])
      expect(image.lookup(image.root, name)).toBeUndefined();
  });

  test('the data and the holes of a sparse file', () => {
    const image = readerOf(sampleImage());
    const sparse = image.lookup(image.root, 'sparse')!;
    expect([...image.extents(sparse)]).toEqual([
      { position: 1024, offset: 4096, length: 1536 },
      { position: 4096, offset: 4096, length: 512 },
    ]);
    const read = Buffer.alloc(6000, 1);
    expect(image.read(sparse, read, 0)).toBe(9 * 512 + 100);
    const expected = Buffer.alloc(9 * 512 + 100);
    DATA.copy(expected, 1024, 0, 1536);
    DATA.copy(expected, 4096, 0, 512);
    expect(read.subarray(0, expected.length)).toEqual(expected);
  });
});

describe('the reader refuses', () => {
  /** Reads all of an image that was changed. @returns code, message and offset of the error */
  function failure(change: (image: Buffer, find: (path: string) => ErofsInode) => void): string {
    const image = sampleImage();
    const found = new Map(Array.from(walkErofs(readerOf(image)), ({ path, inode }) => [path, inode]));
    change(image, (path) => found.get(path)!);
    withChecksum(image);
    try {
      const reader = readerOf(image);
      for (const { inode } of walkErofs(reader)) {
        reader.xattrs(inode);
        if (inode.type === 'symlink') reader.target(inode);
        Array.from(reader.extents(inode));
      }
    } catch (error) {
      if (OverlayerError.is(error)) return `${error.code}: ${error.message}`;
      throw error;
    }
    return 'nothing';
  }
  /** The block of a directory that has the name, and the place of its entry. */
  const entryOf = (image: Buffer, directory: ErofsInode, name: string) => {
    if (directory.layout.kind !== 'plain') throw new Error('a directory has names');
    const { start } = directory.layout;
    const block = start + Math.floor((image.indexOf(name, start) - start) / 512) * 512;
    const count = image.readUInt16LE(block + 8) / 12;
    for (let at = 0; at < count; at++) {
      const entry = block + at * 12;
      if (image.toString('latin1', block + image.readUInt16LE(entry + 8)).startsWith(name)) return entry;
    }
    throw new Error(`no ${name}`);
  };

  test.each<
    [what: string, refusal: string, change: (image: Buffer, find: (path: string) => ErofsInode) => void]
  >([
    ['another magic', 'InvalidArgument: .*no EROFS image', (image) => image.writeUInt32LE(0, 1024)],
    ['blocks of 4096 bytes', 'Unimplemented: .*2.12 bytes', (image) => image.writeUInt8(12, 1024 + 0x0c)],
    [
      'compression',
      'Unimplemented: .*incompatible features 1',
      (image) => image.writeUInt32LE(1, 1024 + 0x50),
    ],
    ['shared attributes', 'Unimplemented: .*unknown field', (image) => image.writeUInt32LE(9, 1024 + 0x2c)],
    ['a file that is too short', 'DataLoss: .*cut off', (image) => image.writeUInt32LE(1 << 20, 1024 + 0x24)],
    [
      'a root that is no directory',
      'DataLoss: .*root is not a directory',
      (image, find) => {
        image.writeUInt16LE(find('fifo').nid, 1024 + 0x0e);
      },
    ],
    [
      'a compact inode',
      'Unimplemented: .*compact form',
      (image, find) => image.writeUInt16LE(0, find('fifo').offset),
    ],
    [
      'a compressed file',
      'Unimplemented: .*layout 3',
      (image, find) => image.writeUInt16LE(7, find('empty').offset),
    ],
    [
      'an unknown type',
      'DataLoss: .*unknown type 0o644',
      (image, find) => image.writeUInt16LE(0o644, find('fifo').offset + 4),
    ],
    [
      'a time out of range',
      'DataLoss: .*out of range',
      (image, find) => image.writeUInt32LE(1e9, find('fifo').offset + 0x28),
    ],
    [
      'data outside the file',
      'DataLoss: .*outside the image',
      (image, find) => image.writeUInt32LE(1 << 20, find('other name').offset + 0x10),
    ],
    [
      'a chunk outside the file',
      'DataLoss: .*outside the image',
      (image, find) => image.writeUInt32LE(1 << 20, find('sparse').offset + 64 + 8),
    ],
    [
      'a chunk map outside the file',
      'DataLoss: .*chunk map',
      (image, find) => image.writeUInt32LE(1, find('sparse').offset + 12),
    ],
    [
      'an attribute longer than its space',
      'DataLoss: .*longer than its space',
      (image, find) => image.writeUInt16LE(500, find('other name').offset + 64 + 12 + 2),
    ],
    [
      'attributes outside the file',
      'DataLoss: .*outside the file',
      (image, find) => image.writeUInt16LE(0xffff, find('symlink').offset + 2),
    ],
    [
      'a directory in itself',
      'DataLoss: .*more names than links',
      (image, find) => {
        image.writeUInt32LE(find('').nid, entryOf(image, find(''), 'directory'));
      },
    ],
    [
      'a directory with two names',
      'DataLoss: .*more names than links',
      (image, find) => {
        const entry = entryOf(image, find(''), 'fifo');
        image.writeUInt32LE(find('directory').nid, entry);
        image.writeUInt8(2, entry + 10);
      },
    ],
    [
      'a file with more names than links',
      'DataLoss: .*more names than links',
      (image, find) => {
        image.writeUInt32LE(find('other name').nid, entryOf(image, find(''), 'empty'));
      },
    ],
    [
      'inodes that are data of a file',
      'DataLoss: .*before the root',
      (image, find) => {
        image.writeUInt32LE(0, entryOf(image, find(''), 'fifo'));
      },
    ],
    [
      'a directory that is data of a file',
      'DataLoss: .*among the data',
      (image, find) => {
        image.writeUInt32LE(8, find('directory').offset + 0x10);
      },
    ],
    [
      "a type that is not the inode's",
      'DataLoss: .*says file',
      (image, find) => {
        image.writeUInt8(1, entryOf(image, find(''), 'fifo') + 10);
      },
    ],
    [
      'a slash in a name',
      'DataLoss: .*slash',
      (image, find) => {
        image.write('/', image.indexOf('device', (find('').layout as { start: number }).start));
      },
    ],
    [
      'names that are not in order',
      'DataLoss: .*not in order',
      (image, find) => {
        image.write('z', image.indexOf('device', (find('').layout as { start: number }).start));
      },
    ],
    [
      'a directory without names',
      'DataLoss: .*no names',
      (image, find) => image.writeUInt32LE(0, find('directory').offset + 8),
    ],
    [
      'a target with a zero',
      'DataLoss: .*has a zero',
      (image, find) => image.writeUInt8(0, find('symlink').offset + 64 + 3),
    ],
    [
      'a target of 4096 bytes',
      'DataLoss: .*4096 bytes',
      (image, find) => image.writeUInt32LE(4096, find('long').offset + 8),
    ],
  ])('%s', (_, refusal, change) => {
    expect(failure(change)).toMatch(new RegExp(`^${refusal}`));
  });

  test('a superblock with a wrong checksum', () => {
    const image = sampleImage();
    image.writeUInt8(1, 1024 + 0x30);
    expect(() => readerOf(image)).toThrow('the checksum of the superblock is wrong');
  });
});

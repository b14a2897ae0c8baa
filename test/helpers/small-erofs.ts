const BLOCK = 512;
const METADATA = 1536;
const INODE = 64;
const WORDS = { regular: 0o100644, directory: 0o40755 } as const;
const TYPES = { regular: 1, directory: 2 } as const;

/**
 * A small EROFS image, made without the package's own writer: a root directory with small files, in blocks of 512 bytes.
 * Everything belongs to user and group 0.
 */
export function smallErofs(files: Readonly<Record<string, string>>): Buffer {
  const names = ['.', '..', ...Object.keys(files)].sort();
  const entryOf = (name: string) => Object.keys(files).indexOf(name) + 1; // "." and ".." are inode 0
  const inodes = [listing(names, entryOf), ...Object.values(files).map((text) => Buffer.from(text))];
  const image = Buffer.alloc(METADATA + blocks(inodes.length * INODE) * BLOCK + inodes.length * BLOCK);
  image.writeUInt32LE(0xe0f5e1e2, 1024);
  image.writeUInt8(9, 1024 + 0x0c);
  image.writeUInt32LE(METADATA / BLOCK, 1024 + 0x28);
  let block = METADATA / BLOCK + blocks(inodes.length * INODE);
  inodes.forEach((data, number) => {
    if (data.length > BLOCK) throw new Error('the image is to be small');
    const at = METADATA + number * INODE;
    const kind = number === 0 ? 'directory' : 'regular';
    image.writeUInt16LE(1, at); // an extended inode, flat
    image.writeUInt16LE(WORDS[kind], at + 4);
    image.writeUInt32LE(data.length, at + 8);
    image.writeUInt32LE(block, at + 0x10);
    image.writeUInt32LE(number + 1, at + 0x14);
    image.writeUInt32LE(number === 0 ? 2 : 1, at + 0x2c);
    data.copy(image, block++ * BLOCK);
  });
  return image;
}

function blocks(bytes: number): number {
  return Math.ceil(bytes / BLOCK);
}

function listing(names: readonly string[], inodeOf: (name: string) => number): Buffer {
  const entries = Buffer.alloc(12 * names.length);
  let offset = entries.length;
  names.forEach((name, index) => {
    const inode = inodeOf(name);
    entries.writeBigUInt64LE(BigInt((inode * INODE) / 32), 12 * index);
    entries.writeUInt16LE(offset, 12 * index + 8);
    entries.writeUInt8(inode === 0 ? TYPES.directory : TYPES.regular, 12 * index + 10);
    offset += name.length;
  });
  return Buffer.concat([entries, Buffer.from(names.join(''))]);
}

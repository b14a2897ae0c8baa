const BLOCK = 512;
const METADATA = 1536;
/** An extended inode, with room for the index of a chunk. */
const INODE = 96;
const EXTENDED = 1;
const DEVICE_TABLE = 1152;
const TYPES = { regular: 1, directory: 2 } as const;

/**
 * A small EROFS image, made without the package's own writer: a root directory with small files, in blocks of 512 bytes.
 * Everything belongs to user and group 0.
 */
export function smallErofs(files: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(imageAndData(files, 'own'));
}

/** The same, with the data of the files in another file, the option `device=`. */
export function smallErofsWithDevice(files: Readonly<Record<string, string>>): {
  readonly image: Buffer;
  readonly device: Buffer;
} {
  const [image, device] = imageAndData(files, 'device');
  return { image, device };
}

function imageAndData(files: Readonly<Record<string, string>>, place: 'own' | 'device'): [Buffer, Buffer] {
  const names = ['.', '..', ...Object.keys(files)].sort();
  const entryOf = (name: string) => Object.keys(files).indexOf(name) + 1; // "." and ".." are inode 0
  const contents = Object.values(files).map((text) => Buffer.from(text));
  const directory = listing(names, entryOf);
  const firstBlock = METADATA / BLOCK + blocks((1 + contents.length) * INODE);
  const image = Buffer.alloc((firstBlock + 1) * BLOCK);
  const data = Buffer.alloc(contents.length * BLOCK);
  image.writeUInt32LE(0xe0f5e1e2, 1024);
  image.writeUInt8(9, 1024 + 0x0c);
  image.writeUInt32LE(METADATA / BLOCK, 1024 + 0x28);
  if (place === 'device') writeDeviceTable(image, data.length);
  writeInode(image, 0, directory.length, 0o40755);
  image.writeUInt32LE(firstBlock, METADATA + 0x10);
  directory.copy(image, firstBlock * BLOCK);
  for (const [index, content] of contents.entries()) {
    if (content.length > BLOCK || directory.length > BLOCK) throw new Error('the image is to be small');
    content.copy(data, index * BLOCK);
    const at = writeInode(image, index + 1, content.length, 0o100644);
    if (place === 'own') image.writeUInt32LE(firstBlock + 1 + index, at + 0x10);
    else {
      image.writeUInt16LE(EXTENDED | (4 << 1), at); // in chunks, here of one block
      image.writeUInt16LE(0x20, at + 0x10); // their indexes name devices
      image.writeUInt16LE(1, at + 64 + 2);
      image.writeUInt32LE(index, at + 64 + 4);
    }
  }
  return [image, data];
}

/** @returns the inode's offset */
function writeInode(image: Buffer, number: number, size: number, mode: number): number {
  const at = METADATA + number * INODE;
  image.writeUInt16LE(EXTENDED, at);
  image.writeUInt16LE(mode, at + 4);
  image.writeUInt32LE(size, at + 8);
  image.writeUInt32LE(number + 1, at + 0x14);
  image.writeUInt32LE(number === 0 ? 2 : 1, at + 0x2c);
  return at;
}

function writeDeviceTable(image: Buffer, bytes: number): void {
  image.writeUInt32LE(4 | 8, 1024 + 0x50); // files in chunks, and devices
  image.writeUInt16LE(1, 1024 + 0x56);
  image.writeUInt16LE(DEVICE_TABLE / 128, 1024 + 0x58);
  image.writeUInt32LE(bytes / BLOCK, DEVICE_TABLE + 64);
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

import { DIRENT_BYTES, type ErofsType, FILE_TYPE, MAX_NAME_BYTES } from '../format.js';
import { damaged } from './paged-bytes.js';

/** Overlayer writes no sockets: tar has none. */
const TYPES: Readonly<Record<number, ErofsType>> = {
  [FILE_TYPE.file]: 'file',
  [FILE_TYPE.directory]: 'directory',
  [FILE_TYPE.characterDevice]: 'character-device',
  [FILE_TYPE.blockDevice]: 'block-device',
  [FILE_TYPE.fifo]: 'fifo',
  [FILE_TYPE.symlink]: 'symlink',
};

/**
 * One block of a directory: 12 bytes for each entry, and then the names. All bounds are checked before the block is used.
 */
export class DirectoryBlock {
  readonly count: number;
  readonly #bytes: Buffer;
  readonly #offset: number;
  /** The end of the last name: at the first zero, or with the block. */
  readonly #end: number;

  /**
   * @param bytes the used bytes of the block, at most 512
   * @param offset of the block in the file
   * @throws OverlayerError `DataLoss`
   */
  constructor(bytes: Buffer, offset: number) {
    this.#bytes = bytes;
    this.#offset = offset;
    if (bytes.length < DIRENT_BYTES) throw damaged('a block of a directory has no entry', offset);
    const names = this.#nameStart(0);
    if (names === 0 || names % DIRENT_BYTES !== 0 || names >= bytes.length)
      throw damaged('the first name of a directory block is at a wrong place', offset);
    this.count = names / DIRENT_BYTES;
    const zero = bytes.indexOf(0, names);
    this.#end = zero === -1 ? bytes.length : zero;
    const slash = bytes.indexOf(SLASH, names);
    if (slash !== -1 && slash < this.#end) throw damaged('a name of a directory has a slash', offset);
    let start = names;
    for (let at = 0; at < this.count; at++) {
      const end = this.#nameEnd(at);
      if (end <= start || end - start > MAX_NAME_BYTES || end > this.#end)
        throw damaged('the names of a directory block have wrong lengths', offset);
      start = end;
    }
  }

  /** The bytes of a name, valid as long as those of the block. */
  name(at: number): Buffer {
    return this.#bytes.subarray(this.#nameStart(at), this.#nameEnd(at));
  }

  /** @throws OverlayerError `DataLoss` */
  nid(at: number): number {
    const high = this.#bytes.readUInt32LE(at * DIRENT_BYTES + 4);
    if (high > 0x1fffff) throw damaged('the inode number of a name is out of range', this.#offset);
    return high * 2 ** 32 + this.#bytes.readUInt32LE(at * DIRENT_BYTES);
  }

  /** @throws OverlayerError `DataLoss` */
  type(at: number): ErofsType {
    const type = TYPES[this.#bytes[at * DIRENT_BYTES + 10]!];
    if (type === undefined) throw damaged('a name of a directory has an unknown type', this.#offset);
    return type;
  }

  #nameStart(at: number): number {
    return this.#bytes.readUInt16LE(at * DIRENT_BYTES + 8);
  }

  #nameEnd(at: number): number {
    return at + 1 < this.count ? this.#nameStart(at + 1) : this.#end;
  }
}

const SLASH = 0x2f;

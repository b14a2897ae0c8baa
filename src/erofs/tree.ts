import { decodePath, encodePath } from '../base/path-bytes.js';
import { MODE } from './format.js';
import { NameTable } from './name-table.js';
import { Arena, INODE, INODE_WORDS, LENGTH_BYTES, NAME, NONE, Records, SPARSE, sizeOf } from './records.js';
import { encodeXattrs } from './xattrs.js';

/** Attributes that every inode has. */
export interface InodeAttributes {
  /** Permission bits: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds, negative before 1970, and nanoseconds 0 to 999,999,999. */
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
}

/** A part of a sparse file that is stored: 0 or more chunks, one after the other. */
export interface StoredChunks {
  /** Number of the first chunk in the file. */
  readonly chunk: number;
  readonly count: number;
  /** Offset of its bytes in the image: a multiple of 512. */
  readonly offset: number;
}

/** Data of a sparse file. The rest of the file is holes. */
export interface SparseData {
  /** log2 of the bytes of a chunk: 9 to 40. */
  readonly chunkBits: number;
  /** In ascending order. */
  readonly parts: readonly StoredChunks[];
}

/** The memory of a tree. */
export interface TreeParts {
  readonly names: Records;
  readonly inodes: Records;
  readonly arena: Arena;
  readonly sparse: readonly SparseData[];
}

/** The packed memory of a tree, for the writer. No public type mentions it. */
export let partsOf: (tree: ErofsTree) => TreeParts;

const INODE_RECORD_BYTES = INODE_WORDS * 4;

/**
 * A tree of files in packed memory, of about 100 bytes for each entry beside its name. It knows names and inodes, and no
 * layers. Numbers stand for both: the root's inode is 0.
 */
export class ErofsTree {
  static {
    partsOf = (tree) => ({
      ...{ names: tree.#names, inodes: tree.#inodes, arena: tree.#arena, sparse: tree.#sparse },
    });
  }

  readonly root: number;
  readonly #keep: (bytes: number) => void;
  readonly #table: NameTable;
  readonly #names: Records;
  readonly #inodes = new Records(INODE_WORDS);
  readonly #arena = new Arena();
  readonly #sparse: SparseData[] = [];

  /** @param keep called with the bytes that an entry takes. It may throw */
  constructor(keep: (bytes: number) => void = () => {}) {
    this.#keep = keep;
    this.#table = new NameTable(this.#arena, keep);
    this.#names = this.#table.records;
    this.root = this.addInode(MODE.directory, {
      mode: 0o755,
      uid: 0,
      gid: 0,
      mtimeSec: 0,
      mtimeNsec: 0,
    });
    this.#inodes.set(this.root, INODE.names, 1);
  }

  /** Inodes that were ever made: their numbers are smaller. */
  get inodes(): number {
    return this.#inodes.length;
  }

  /** Names that the tree has. */
  get names(): number {
    return this.#table.count;
  }

  /** Makes an inode without a name. @param type of `MODE` */
  addInode(type: number, attributes: InodeAttributes): number {
    this.#keep(INODE_RECORD_BYTES);
    const inode = this.#inodes.add();
    this.#inodes.set(inode, INODE.mode, type);
    this.#inodes.set(inode, INODE.first, NONE);
    this.#inodes.set(inode, INODE.last, NONE);
    this.#inodes.set(inode, INODE.name, NONE);
    this.#inodes.set(inode, INODE.xattrs, NONE);
    this.setAttributes(inode, attributes);
    return inode;
  }

  /** Sets permissions, owner and time. Type, marks and extended attributes stay. */
  setAttributes(inode: number, { mode, uid, gid, mtimeSec, mtimeNsec }: InodeAttributes): void {
    const inodes = this.#inodes;
    inodes.set(inode, INODE.mode, (inodes.get(inode, INODE.mode) & ~0o7777) | mode);
    inodes.set(inode, INODE.uid, uid);
    inodes.set(inode, INODE.gid, gid);
    inodes.set(inode, INODE.mtimeLow, mtimeSec % 2 ** 32);
    inodes.set(inode, INODE.mtimeHigh, Math.floor(mtimeSec / 2 ** 32));
    inodes.set(inode, INODE.mtimeNsec, mtimeNsec);
  }

  /**
   * Replaces the extended attributes. Marks stay.
   *
   * @param xattrs values by names, which `isStorable` has accepted; undefined removes all
   * @throws OverlayerError `InvalidArgument`: they take more than 262,100 bytes with their headers
   */
  setXattrs(inode: number, xattrs: ReadonlyMap<string, Uint8Array> | undefined): void {
    const encoded = xattrs === undefined || xattrs.size === 0 ? undefined : encodeXattrs(xattrs);
    this.#inodes.set(inode, INODE.xattrs, encoded === undefined ? NONE : this.#store(encoded));
  }

  /**
   * Says where the data of a regular file are.
   *
   * @param offset of the data in the image: a multiple of 512
   */
  setFile(inode: number, size: number, offset: number): void {
    this.#setSize(inode, size);
    this.#inodes.set(inode, INODE.data, offset / 512);
  }

  /** Says where the data of a sparse file are. @param size of the file in bytes, holes included */
  setSparse(inode: number, size: number, data: SparseData): void {
    this.#setSize(inode, size);
    this.#inodes.set(inode, INODE.data, this.#sparse.push(data) - 1);
    this.mark(inode, SPARSE);
  }

  /** Sets the number of links that the image says, when it differs from the number of names. */
  setLinks(inode: number, links: number): void {
    this.#inodes.set(inode, INODE.names, links);
  }

  /** Sets what the image says of a directory. For the writer: from then on `namesOf` is the number of links. */
  setDirectory(inode: number, size: number, links: number): void {
    this.#setSize(inode, size);
    this.setLinks(inode, links);
  }

  /** Sets the target of a symlink. @param target of 1 to 4095 bytes */
  setTarget(inode: number, target: string): void {
    const bytes = encodePath(target);
    this.#setSize(inode, bytes.length);
    this.#inodes.set(inode, INODE.data, this.#store(bytes));
  }

  /** Sets the number of a device. @param major 0 to 4095 @param minor 0 to 1,048,575 */
  setDevice(inode: number, major: number, minor: number): void {
    this.#inodes.set(inode, INODE.data, (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12));
  }

  /** Sets a mark of `MARK`. */
  mark(inode: number, mark: number): void {
    this.#inodes.set(inode, INODE.mode, this.#inodes.get(inode, INODE.mode) | mark);
  }

  /** Whether the inode has one of the marks. */
  has(inode: number, mark: number): boolean {
    return (this.#inodes.get(inode, INODE.mode) & mark) !== 0;
  }

  /** Type of `MODE`. */
  typeOf(inode: number): number {
    return this.#inodes.get(inode, INODE.mode) & MODE.type;
  }

  /** Whether the inode is a directory. */
  isDirectory(inode: number): boolean {
    return this.typeOf(inode) === MODE.directory;
  }

  /** The device of a device file, as Linux encodes it in 32 bits. */
  deviceOf(inode: number): number {
    return this.#inodes.get(inode, INODE.data);
  }

  /** The target of a symlink. */
  targetOf(inode: number): string {
    return decodePath(this.#arena.piece(this.#inodes.get(inode, INODE.data)));
  }

  /** Bytes of a file's data, or of a symlink's target. */
  sizeOf(inode: number): number {
    return sizeOf(this.#inodes, inode);
  }

  /** @returns the inode of a name; NONE when the directory does not have it */
  lookup(directory: number, name: string): number {
    const found = this.find(directory, name);
    return found === NONE ? NONE : this.inodeOf(found);
  }

  /** @returns the name's number; NONE when the directory does not have it */
  find(directory: number, name: string): number {
    return this.#table.find(directory, name);
  }

  /**
   * Gives an inode a name, which the directory does not have.
   *
   * @param name of 1 to 255 bytes, without slashes; neither `.` nor `..`
   * @returns the name's number
   */
  link(directory: number, name: string, inode: number): number {
    const added = this.#table.add(directory, name, inode);
    this.#append(directory, added);
    this.#inodes.set(inode, INODE.names, this.#inodes.get(inode, INODE.names) + 1);
    if (this.isDirectory(inode)) this.#inodes.set(inode, INODE.name, added);
    return added;
  }

  /** Removes a name. An inode without names is not in the image. The names in a removed directory stay as they are. */
  unlink(name: number): void {
    const names = this.#names;
    const inode = names.get(name, NAME.inode);
    this.#table.remove(name);
    const directory = names.get(name, NAME.parent);
    const next = names.get(name, NAME.next);
    const previous = names.get(name, NAME.previous);
    if (previous === NONE) this.#inodes.set(directory, INODE.first, next);
    else names.set(previous, NAME.next, next);
    if (next === NONE) this.#inodes.set(directory, INODE.last, previous);
    else names.set(next, NAME.previous, previous);
    this.#inodes.set(inode, INODE.names, this.#inodes.get(inode, INODE.names) - 1);
    if (this.isDirectory(inode)) this.#inodes.set(inode, INODE.name, NONE);
  }

  /** The first name in a directory; NONE when it is empty. `next` gives the others. */
  first(directory: number): number {
    return this.#inodes.get(directory, INODE.first);
  }

  /** The next name in the same directory; NONE after the last one. */
  next(name: number): number {
    return this.#names.get(name, NAME.next);
  }

  /** The inode of a name. */
  inodeOf(name: number): number {
    return this.#names.get(name, NAME.inode);
  }

  /** The directory that has the name. */
  directoryOf(name: number): number {
    return this.#names.get(name, NAME.parent);
  }

  /** How many names an inode has. 0: it is not in the tree. */
  namesOf(inode: number): number {
    return this.#inodes.get(inode, INODE.names);
  }

  /** The name of a directory; NONE for the root. */
  ownName(directory: number): number {
    return this.#inodes.get(directory, INODE.name);
  }

  /** The text of a name, in the form of `encodePath`. */
  textOf(name: number): string {
    return this.#table.textOf(name);
  }

  #setSize(inode: number, size: number): void {
    this.#inodes.set(inode, INODE.sizeLow, size % 2 ** 32);
    this.#inodes.set(inode, INODE.sizeHigh, Math.floor(size / 2 ** 32));
  }

  /** Keeps a piece of bytes. @returns its place */
  #store(bytes: Uint8Array): number {
    this.#keep(LENGTH_BYTES + bytes.length);
    return this.#arena.store(bytes);
  }

  #append(directory: number, name: number): void {
    const last = this.#inodes.get(directory, INODE.last);
    this.#names.set(name, NAME.next, NONE);
    this.#names.set(name, NAME.previous, last);
    if (last === NONE) this.#inodes.set(directory, INODE.first, name);
    else this.#names.set(last, NAME.next, name);
    this.#inodes.set(directory, INODE.last, name);
  }
}

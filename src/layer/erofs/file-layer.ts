import type { BigIntStats } from 'node:fs';
import type { ErofsInode } from '../../erofs/reader/inode.js';
import type { ErofsReader } from '../../erofs/reader/reader.js';
import { LayerFile } from './layer-file.js';
import type { LowerLayer, LowerNode } from './lower-tree.js';

/** The root of a layer file. */
interface KnownRoot {
  readonly inheritsRoot: boolean;
  readonly inode: ErofsInode;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

/**
 * Roots by file. `prepare` and most commits read nothing else of a lower layer, which takes 0.1 ms. A layer file does not
 * change, and no store uses a path again.
 */
const roots = new Map<string, KnownRoot>();
const MOST_ROOTS = 256;

/** A lower layer in a layer file. It opens the file when it needs more than its root. */
export class FileLayer implements LowerLayer {
  readonly root: LowerNode;
  readonly inheritsRoot: boolean;
  readonly #path: string;
  #opened: LayerFile | undefined;

  /** @param stat of the file @throws OverlayerError as `readErofsLayer` and `ErofsReader` */
  constructor(path: string, { dev, ino, size, mtimeNs }: BigIntStats) {
    this.#path = path;
    try {
      const { inheritsRoot, inode, xattrs } = this.#findRoot(`${dev}:${ino}:${size}:${mtimeNs}:${path}`);
      this.inheritsRoot = inheritsRoot;
      this.root = { ...this.#nodeOf(inode), xattrs: () => xattrs };
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  get #file(): LayerFile {
    this.#opened ??= new LayerFile(this.#path);
    return this.#opened;
  }

  #findRoot(key: string): KnownRoot {
    const known = roots.get(key);
    if (known !== undefined) return known;
    const { head, image } = this.#file;
    const xattrs = this.#file.naming(() => image.xattrs(image.root));
    const copies = new Map([...xattrs].map(([name, value]) => [name, Uint8Array.from(value)]));
    const root = { inheritsRoot: head.inheritsRoot, inode: image.root, xattrs: copies };
    if (roots.size >= MOST_ROOTS) roots.clear();
    roots.set(key, root);
    return root;
  }

  lookup(directory: LowerNode, name: string): LowerNode | undefined {
    const { image } = this.#file;
    const found = this.#file.naming(() => image.lookup((directory as FileNode).inode, name));
    return found && this.#nodeOf(found);
  }

  list(directory: LowerNode): readonly string[] {
    const { image } = this.#file;
    return this.#file.naming(() =>
      Array.from(image.entries((directory as FileNode).inode), ({ name }) => name),
    );
  }

  #nodeOf(inode: ErofsInode): FileNode {
    const { type, mode, uid, gid, mtimeSec, mtimeNsec, size, devMajor, devMinor } = inode;
    const read = <T>(from: (image: ErofsReader) => T): T => this.#file.naming(() => from(this.#file.image));
    return {
      ...{ inode, type, mode, uid, gid, mtimeSec, mtimeNsec, size, devMajor, devMinor },
      xattrs: () => read((image) => image.xattrs(inode)),
      target: () => read((image) => image.target(inode)),
      data: () => ({ read: (into, position) => read((image) => image.read(inode, into, position)) }),
    };
  }

  [Symbol.dispose](): void {
    this.#opened?.[Symbol.dispose]();
  }
}

interface FileNode extends LowerNode {
  readonly inode: ErofsInode;
}

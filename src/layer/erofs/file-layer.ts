import type { ErofsInode } from '../../erofs/reader/inode.js';
import { LayerFile } from './layer-file.js';
import type { LowerLayer, LowerNode } from './lower-tree.js';

/** A lower layer in a layer file. */
export class FileLayer implements LowerLayer {
  readonly root: LowerNode;
  readonly #file: LayerFile;

  /** @throws OverlayerError as `readErofsLayer` and `ErofsReader` */
  constructor(path: string) {
    this.#file = new LayerFile(path);
    try {
      this.root = this.#nodeOf(this.#file.image.root);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  get inheritsRoot(): boolean {
    return this.#file.head.inheritsRoot;
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
    const file = this.#file;
    const { image } = file;
    const { type, mode, uid, gid, mtimeSec, mtimeNsec, size, devMajor, devMinor } = inode;
    return {
      ...{ inode, type, mode, uid, gid, mtimeSec, mtimeNsec, size, devMajor, devMinor },
      xattrs: () => file.naming(() => image.xattrs(inode)),
      target: () => file.naming(() => image.target(inode)),
      data: () => ({ read: (into, position) => file.naming(() => image.read(inode, into, position)) }),
    };
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

interface FileNode extends LowerNode {
  readonly inode: ErofsInode;
}

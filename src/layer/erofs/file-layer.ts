import type { ErofsInode } from '../../erofs/reader/inode.js';
import type { ErofsReader } from '../../erofs/reader/reader.js';
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
      this.root = nodeOf(this.#file.image, this.#file.image.root);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  lookup(directory: LowerNode, name: string): LowerNode | undefined {
    const { image } = this.#file;
    const found = image.lookup((directory as FileNode).inode, name);
    return found && nodeOf(image, found);
  }

  list(directory: LowerNode): readonly string[] {
    return Array.from(this.#file.image.entries((directory as FileNode).inode), ({ name }) => name);
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

interface FileNode extends LowerNode {
  readonly inode: ErofsInode;
}

function nodeOf(image: ErofsReader, inode: ErofsInode): FileNode {
  const { type, mode, uid, gid, mtimeSec, mtimeNsec, size, devMajor, devMinor } = inode;
  return {
    ...{ inode, type, mode, uid, gid, mtimeSec, mtimeNsec, size, devMajor, devMinor },
    xattrs: () => image.xattrs(inode),
    target: () => image.target(inode),
    data: () => ({ read: (into, position) => image.read(inode, into, position) }),
  };
}

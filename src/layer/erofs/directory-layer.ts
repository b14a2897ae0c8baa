import { closeQuietly, isDirectory, OPEN_DIRECTORY } from '../../rootfs/directory.js';
import { statIfThere } from '../../rootfs/lower-layers.js';
import { nodeType } from '../../rootfs/node-type.js';
import { O, type Stat, type System } from '../../system/system.js';
import type { LowerData, LowerLayer, LowerNode } from './lower-tree.js';

/** Open directories that are kept. */
const MAX_OPEN = 32;

/** A lower layer in a directory on disk: what an `OverlayTarget` has made. */
export class DirectoryLayer implements LowerLayer {
  readonly root: LowerNode;
  readonly inheritsRoot = false;
  readonly #system: System;
  readonly #root: number;
  /** Open directories below the root, by path; the least recently used one is closed first. */
  readonly #open = new Map<string, number>();
  /** The file that was read last. */
  #file: { readonly path: string; readonly descriptor: number } | undefined;

  /** @param root descriptor of the layer's root. It is closed when the layer is disposed of */
  constructor(system: System, root: number) {
    this.#system = system;
    this.#root = root;
    this.root = new DirectoryNode(this, '', '', '', system.stat(root));
  }

  lookup(directory: LowerNode, name: string): LowerNode | undefined {
    const { path } = directory as DirectoryNode;
    const stat = statIfThere(this.#system, this.#descriptor(path), name);
    return stat && new DirectoryNode(this, path === '' ? name : `${path}/${name}`, path, name, stat);
  }

  list(directory: LowerNode): readonly string[] {
    const descriptor = this.#descriptor((directory as DirectoryNode).path);
    return this.#system.list(descriptor).map(({ name }) => name);
  }

  xattrs({ path, parent, name, stat }: DirectoryNode): ReadonlyMap<string, Uint8Array> {
    const system = this.#system;
    const values = new Map<string, Uint8Array>();
    if (isDirectory(stat)) {
      const descriptor = this.#descriptor(path);
      for (const xattr of system.listXattrs(descriptor)) {
        const value = system.getXattr(descriptor, xattr);
        if (value !== undefined) values.set(xattr, value);
      }
      return values;
    }
    const descriptor = this.#descriptor(parent);
    for (const xattr of system.listXattrsAt(descriptor, name)) {
      const value = system.getXattrAt(descriptor, name, xattr);
      if (value !== undefined) values.set(xattr, value);
    }
    return values;
  }

  target({ parent, name }: DirectoryNode): string {
    return this.#system.readLink(this.#descriptor(parent), name);
  }

  read(node: DirectoryNode, into: Uint8Array, position: number): number {
    if (this.#file?.path !== node.path) {
      this.#closeFile();
      const { parent, name, path } = node;
      const flags = O.RDONLY | O.NONBLOCK | O.NOFOLLOW;
      this.#file = { path, descriptor: this.#system.openAt(this.#descriptor(parent), name, flags, 0) };
    }
    return this.#system.readAt(this.#file.descriptor, this.#system.address(into), into.length, position);
  }

  [Symbol.dispose](): void {
    this.#closeFile();
    for (const descriptor of [...this.#open.values(), this.#root]) closeQuietly(this.#system, descriptor);
    this.#open.clear();
  }

  #closeFile(): void {
    if (this.#file !== undefined) closeQuietly(this.#system, this.#file.descriptor);
    this.#file = undefined;
  }

  #descriptor(path: string): number {
    if (path === '') return this.#root;
    const known = this.#open.get(path);
    if (known !== undefined) {
      this.#open.delete(path);
      this.#open.set(path, known);
      return known;
    }
    const slash = path.lastIndexOf('/');
    const parent = slash === -1 ? this.#root : this.#open.get(path.slice(0, slash));
    const descriptor =
      parent === undefined
        ? this.#system.openInRoot(this.#root, path, OPEN_DIRECTORY, 'refuse')
        : this.#system.openAt(parent, path.slice(slash + 1), OPEN_DIRECTORY, 0);
    this.#open.set(path, descriptor);
    for (const [oldest, open] of this.#open) {
      if (this.#open.size <= MAX_OPEN) break;
      this.#open.delete(oldest);
      closeQuietly(this.#system, open);
    }
    return descriptor;
  }
}

class DirectoryNode implements LowerNode {
  readonly #layer: DirectoryLayer;
  #xattrs: ReadonlyMap<string, Uint8Array> | undefined;

  /** @param path below the layer's root; `parent` and `name` are its parts */
  constructor(
    layer: DirectoryLayer,
    readonly path: string,
    readonly parent: string,
    readonly name: string,
    readonly stat: Stat,
  ) {
    this.#layer = layer;
  }

  get type(): LowerNode['type'] {
    return nodeType(this.stat);
  }

  get mode(): number {
    return this.stat.mode & 0o7777;
  }

  get uid(): number {
    return this.stat.uid;
  }

  get gid(): number {
    return this.stat.gid;
  }

  get mtimeSec(): number {
    return this.stat.mtimeSec;
  }

  get mtimeNsec(): number {
    return this.stat.mtimeNsec;
  }

  get size(): number {
    return this.stat.size;
  }

  get devMajor(): number {
    return this.stat.rdevMajor;
  }

  get devMinor(): number {
    return this.stat.rdevMinor;
  }

  xattrs(): ReadonlyMap<string, Uint8Array> {
    this.#xattrs ??= this.#layer.xattrs(this);
    return this.#xattrs;
  }

  target(): string {
    return this.#layer.target(this);
  }

  data(): LowerData {
    return { read: (into, position) => this.#layer.read(this, into, position) };
  }
}

import { type Limits, limitError } from '../base/limits.js';
import { TYPE_MODES } from './format.js';
import type { ErofsInode } from './reader/inode.js';
import type { ErofsReader } from './reader/reader.js';
import { MetInodes } from './reader/walk.js';
import { ErofsTree } from './tree.js';

/** A layer of a merged image. */
export interface MergedLayer {
  /** The layer's file. */
  readonly image: ErofsReader;
  /** Bytes of the layer's file: a multiple of 512. */
  readonly bytes: number;
  /** The layer has no entry for the root, whose attributes are those of the layer below. */
  readonly inheritsRoot: boolean;
}

/** Memory of a name that is remembered while its directory is merged, and of a part of a sparse file. */
const NAME_BYTES = 128;
const PART_BYTES = 64;

const OPAQUE = 'trusted.overlay.opaque';
/** Marks of overlayfs. An image's own attributes of such names are escaped: `trusted.overlay.overlay.`. */
const MARK = /^trusted\.overlay\.(?!overlay\.)/;
const SET = 0x79; // y

/** A directory of one layer. */
interface Source {
  readonly layer: Layer;
  readonly inode: ErofsInode;
}

/** The effect of an upper layer's name on the same name of lower layers: it hides that, or both are directories that merge. */
type Met = 'hides' | Source[];

/**
 * Merges layers as overlayfs does: whiteouts and opaque directories are resolved. Attributes and data of a file are those of
 * the nearest layer that has it, its number of links included. Data stay in the layers' files, which follow one another: an
 * offset counts from the beginning of the lowest layer's file.
 *
 * @param layers lowest first
 * @param limits `maxEntries` bounds the names of each layer, `maxMemory` the memory
 * @throws OverlayerError as `ErofsReader`; `ResourceExhausted`
 */
export function mergeTrees(
  layers: readonly MergedLayer[],
  limits: Pick<Limits, 'maxEntries' | 'maxMemory'>,
): ErofsTree {
  return new TreeMerge(layers, limits).merge();
}

class TreeMerge {
  readonly #limits: Pick<Limits, 'maxEntries' | 'maxMemory'>;
  readonly #tree: ErofsTree;
  /** Nearest first. */
  readonly #layers: readonly Layer[];
  #memory = 0;

  constructor(layers: readonly MergedLayer[], limits: Pick<Limits, 'maxEntries' | 'maxMemory'>) {
    this.#limits = limits;
    this.#tree = new ErofsTree((bytes) => this.#keep(bytes));
    let base = 0;
    const made: Layer[] = [];
    for (const layer of layers) {
      made.push(new Layer(layer, base, this.#tree, { ...limits, keep: (bytes) => this.#keep(bytes) }));
      base += layer.bytes;
    }
    this.#layers = made.reverse();
  }

  merge(): ErofsTree {
    const { root } = this.#tree;
    const describing = this.#layers.find(({ inheritsRoot }) => !inheritsRoot) ?? this.#layers[0];
    describing?.describe(describing.image.root, root);
    const sources = this.#layers.map((layer) => ({ layer, inode: layer.meet(layer.image.root) }));
    const waiting = [{ directory: root, sources }];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop())
      waiting.push(...this.#fill(next.directory, next.sources).reverse());
    for (const layer of this.#layers) layer.setLinks();
    return this.#tree;
  }

  /** @returns the directories in it, in the order in which they are met */
  #fill(directory: number, sources: readonly Source[]): { directory: number; sources: Source[] }[] {
    const inside: { directory: number; sources: Source[] }[] = [];
    const met = new Map<string, Met>();
    const place = (name: string, source: Source): Met => {
      const { layer, inode } = source;
      if (isWhiteout(inode)) return 'hides';
      const placed = layer.place(inode);
      this.#tree.link(directory, name, placed);
      if (inode.type !== 'directory') return 'hides';
      const merging = [source];
      inside.push({ directory: placed, sources: merging });
      return isOpaque(source) ? 'hides' : merging;
    };
    for (const [at, { layer, inode }] of sources.entries()) {
      const isLowest = at === sources.length - 1;
      for (const entry of layer.image.entries(inode)) {
        const before = met.get(entry.name);
        if (before === 'hides') continue;
        const source = { layer, inode: layer.meet(layer.image.inodeOf(entry)) };
        const after = before === undefined ? place(entry.name, source) : mergeWith(before, source);
        if (isLowest || after === before) continue;
        this.#keep(NAME_BYTES);
        met.set(entry.name, after);
      }
    }
    return inside;
  }

  /** @throws OverlayerError `ResourceExhausted` */
  #keep(bytes: number): void {
    this.#memory += bytes;
    if (this.#memory > this.#limits.maxMemory) throw limitError('maxMemory', this.#limits.maxMemory);
  }
}

/** A file or a whiteout below a directory is hidden, and hides what is below it. */
function mergeWith(directory: Source[], source: Source): Met {
  if (source.inode.type !== 'directory') return 'hides';
  directory.push(source);
  return isOpaque(source) ? 'hides' : directory;
}

function isWhiteout({ type, devMajor, devMinor }: ErofsInode): boolean {
  return type === 'character-device' && devMajor === 0 && devMinor === 0;
}

function isOpaque({ layer, inode }: Source): boolean {
  return layer.image.xattrs(inode).get(OPAQUE)?.[0] === SET;
}

/** Copies inodes of one layer into the tree. */
class Layer {
  readonly image: ErofsReader;
  readonly inheritsRoot: boolean;
  readonly #base: number;
  readonly #tree: ErofsTree;
  readonly #met: MetInodes;
  readonly #maxEntries: number;
  readonly #keep: (bytes: number) => void;
  #entries = 0;
  /** Inodes of the tree by those of the layer, for files with several names. */
  readonly #linked = new Map<number, { readonly placed: number; readonly nlink: number }>();

  /** @param base offset of the layer's file */
  constructor(
    { image, inheritsRoot }: MergedLayer,
    base: number,
    tree: ErofsTree,
    { maxEntries, keep }: { readonly maxEntries: number; readonly keep: (bytes: number) => void },
  ) {
    this.image = image;
    this.inheritsRoot = inheritsRoot;
    this.#base = base;
    this.#tree = tree;
    this.#met = new MetInodes(image);
    this.#maxEntries = maxEntries;
    this.#keep = keep;
  }

  /** Bounds the work of a hostile layer. @throws OverlayerError `DataLoss`, `ResourceExhausted` */
  meet(inode: ErofsInode): ErofsInode {
    if (++this.#entries > this.#maxEntries) throw limitError('maxEntries', this.#maxEntries);
    this.#met.meet(inode);
    return inode;
  }

  /** @returns the inode of the tree: names of one file in the layer are names of one file in the tree */
  place(inode: ErofsInode): number {
    const { nid, nlink, type } = inode;
    const isLinked = type !== 'directory' && nlink > 1;
    const before = isLinked ? this.#linked.get(nid) : undefined;
    if (before !== undefined) return before.placed;
    const placed = this.#tree.addInode(TYPE_MODES[type], inode);
    this.describe(inode, placed);
    if (type === 'symlink') this.#tree.setTarget(placed, this.image.target(inode));
    if (type === 'character-device' || type === 'block-device')
      this.#tree.setDevice(placed, inode.devMajor, inode.devMinor);
    if (type === 'file') this.#placeData(inode, placed);
    if (isLinked) this.#linked.set(nid, { placed, nlink });
    return placed;
  }

  describe(inode: ErofsInode, placed: number): void {
    this.#tree.setAttributes(placed, inode);
    const xattrs = this.image.xattrs(inode);
    const own = xattrs.size === 0 ? xattrs : new Map([...xattrs].filter(([name]) => !MARK.test(name)));
    this.#tree.setXattrs(placed, own);
  }

  #placeData(file: ErofsInode, placed: number): void {
    const { layout, size } = file;
    if (layout.kind === 'plain') this.#tree.setFile(placed, size, this.#base + layout.start);
    if (layout.kind !== 'chunks') return;
    const { chunkBytes } = layout;
    const parts = Array.from(this.image.extents(file), ({ position, offset, length }) => {
      this.#keep(PART_BYTES);
      const count = Math.ceil(length / chunkBytes);
      return { chunk: position / chunkBytes, count, offset: this.#base + offset };
    });
    this.#tree.setSparse(placed, size, { chunkBits: Math.log2(chunkBytes), parts });
  }

  /** As in overlayfs, names that upper layers hide count. Call it after the last name. */
  setLinks(): void {
    for (const { placed, nlink } of this.#linked.values()) this.#tree.setLinks(placed, nlink);
  }
}

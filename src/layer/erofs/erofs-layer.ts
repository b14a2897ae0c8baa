import { OverlayerError } from '../../base/errors.js';
import type { Limits } from '../../base/limits.js';
import { displayPath, encodePath } from '../../base/path-bytes.js';
import type { WorkBudget } from '../../base/work-budget.js';
import { BLOCK_BYTES, roundUp, SUPERBLOCK_OFFSET, TYPE_MODES } from '../../erofs/format.js';
import { encodeHead, TAR_OFFSET } from '../../erofs/head.js';
import { type Layout, layOut } from '../../erofs/layout.js';
import { NONE } from '../../erofs/records.js';
import { encodeSuperblock, layerUuid } from '../../erofs/superblock.js';
import { ErofsTree } from '../../erofs/tree.js';
import { writeMetadata } from '../../erofs/writer.js';
import { toOverlayerError } from '../../system/errno-code.js';
import type { TarEntry, TarSink } from '../../tar/types.js';
import {
  atEntry,
  describeTarget,
  linksToDirectory,
  missesTarget,
  replacesItsTarget,
} from '../apply/applier-errors.js';
import { type LowersLater, LowersNeed, type NeedsLowers } from '../apply/lowers-later.js';
import { imageRoot, type OwnerMap, shiftOwners } from '../apply/shift-owners.js';
import { AnomalyLog } from '../plan/anomaly.js';
import type { Operation } from '../plan/operation.js';
import { planEntry } from '../plan/plan.js';
import type { LowerData, LowerTree } from './lower-tree.js';
import { checkName } from './paths.js';
import { SparseFiles, type SparsePiece } from './sparse-files.js';
import { storedXattrs } from './stored-xattrs.js';
import { UpperTree } from './upper-tree.js';

/** The kernel's PATH_MAX, without the final zero. */
const MAX_TARGET_BYTES = 4095;
const MAX_MAJOR = 0xfff;
const MAX_MINOR = 0xfffff;

export interface ErofsLayerOptions {
  readonly limits: Limits;
  /** Limits the work and the memory that the layer causes. */
  readonly budget: WorkBudget;
  /** The lower layers; undefined when there are none, or they are not known. */
  readonly lowers: LowerTree | undefined;
  /** Set when lower layers exist that are not known yet. */
  readonly lowersLater: LowersLater | undefined;
  /** Maps the entries' owners to ids of this host. @default owners as the entries have them */
  readonly owners: OwnerMap | undefined;
}

/** Bytes to append to a layer file. */
export type Append =
  /** Valid until the next one. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | SparsePiece
  /** Bytes of a lower file. */
  | { readonly kind: 'copy'; readonly from: LowerData; readonly offset: number; readonly length: number };

type Placed = Operation & {
  readonly op: 'file' | 'directory' | 'symlink' | 'hardlink' | 'character-device' | 'block-device' | 'fifo';
};

/**
 * A layer as one EROFS file that holds its tar. It is the decoder's sink: the tree is in memory, and the data of files
 * are where the tar has them. It means by each entry what `Applier` with an `OverlayTarget` means by it.
 *
 * The caller writes the tar at `TAR_OFFSET`. After the last entry it appends what `finish` yields, and writes `head` at
 * the beginning of the file.
 */
export class ErofsLayer implements TarSink {
  readonly anomalies = new AnomalyLog();
  whiteouts = 0;
  /** Whether the layer has an entry for the root. */
  listsRoot = false;
  readonly #limits: Limits;
  readonly #budget: WorkBudget;
  readonly #owners: OwnerMap | undefined;
  readonly #lowers: LowerTree | undefined;
  readonly #need: LowersNeed;
  readonly #tree: ErofsTree;
  readonly #upper: UpperTree;
  readonly #sparse: SparseFiles;
  #entries = 0;
  #layout: Layout | undefined;

  constructor({ limits, budget, lowers, lowersLater, owners }: ErofsLayerOptions) {
    this.#limits = limits;
    this.#budget = budget;
    this.#owners = owners;
    this.#lowers = lowers;
    this.#need = new LowersNeed(lowersLater);
    this.#tree = new ErofsTree((bytes) => budget.keep(bytes));
    this.#sparse = new SparseFiles(this.#tree, limits, budget);
    const unlisted = { ...imageRoot(owners), mode: 0o755, mtimeSec: 0, mtimeNsec: 0 };
    this.#tree.setAttributes(this.#tree.root, unlisted);
    this.#upper = new UpperTree(this.#tree, {
      budget,
      lowers,
      unlisted,
      onUnlisted: (directory) => {
        this.#need.note(() => `directory "${displayPath(this.#upper.pathOf(directory))}"`, 'directories');
      },
    });
  }

  /** The layer's need of lower layers that are not known yet. Undefined without it, and without `lowersLater`. */
  get needsLowers(): NeedsLowers | undefined {
    return this.#need.need;
  }

  /** Whether the layer could be another one on other lower layers. */
  get usedLowers(): boolean {
    return this.#upper.dependsOnLowers;
  }

  entry(entry: TarEntry): void {
    this.#entries += 1;
    this.#budget.begin(entry);
    this.#budget.charge(1 + (entry.xattrs?.size ?? 0));
    const operation = planEntry(entry, this.#limits, (anomaly) => this.anomalies.add(anomaly));
    if (operation === undefined) return;
    try {
      this.#apply(operation);
    } catch (error) {
      throw error instanceof OverlayerError ? atEntry(error, entry) : toOverlayerError(error, entry);
    }
  }

  /** Only sparse files need it: other data stay where they are. */
  data(_bytes: Uint8Array, start: number, end: number, position: number): void {
    this.#sparse.data(end - start, position);
  }

  entryEnd(): void {
    this.#sparse.end();
  }

  /**
   * Ends the layer.
   *
   * @param tarBytes length of the tar
   * @returns what to append, without gaps, from the first multiple of 512 after the tar to the end of the file
   */
  *finish(tarBytes: number): Generator<Append, void, void> {
    if (!this.listsRoot) this.#upper.inheritRoot();
    let offset = yield* this.#sparse.place(roundUp(TAR_OFFSET + tarBytes, BLOCK_BYTES));
    for (const { inode, size, data } of this.#upper.copied) {
      if (this.#tree.namesOf(inode) === 0 || size === 0) continue;
      this.#tree.setFile(inode, size, offset);
      yield { kind: 'copy', from: data, offset: 0, length: size };
      const end = roundUp(offset + size, BLOCK_BYTES);
      if (end > offset + size) yield { kind: 'zeros', length: end - offset - size };
      offset = end;
    }
    this.#layout = layOut(this.#tree, offset, { look: () => this.#budget.look() });
    for (const bytes of writeMetadata(this.#layout)) yield { kind: 'bytes', bytes };
  }

  /**
   * The first 4096 bytes of the file: head and superblock. Write them last, when all others are on the disk: without
   * them the file can't be mounted.
   *
   * @param given `rest`: sha256 of all bytes after the tar
   */
  head(given: {
    readonly diffID: Uint8Array;
    readonly tarBytes: number;
    readonly rest: Uint8Array;
  }): Uint8Array {
    const { start, length, inodes, ...layout } = this.#layout!;
    const fileBytes = start + length;
    const bytes = Buffer.alloc(TAR_OFFSET);
    encodeHead({
      ...given,
      dependsOnLowers: this.usedLowers,
      inheritsRoot: !this.listsRoot && this.#lowers === undefined,
      metadataOffset: start,
      fileBytes,
      entries: this.#entries,
      inodes,
      whiteouts: this.whiteouts,
    }).copy(bytes);
    const uuid = layerUuid(given.diffID);
    const blocks = fileBytes / BLOCK_BYTES;
    encodeSuperblock({ ...layout, uuid, blocks, inodes }).copy(bytes, SUPERBLOCK_OFFSET);
    return bytes;
  }

  #apply(operation: Operation): void {
    switch (operation.op) {
      case 'whiteout':
        this.whiteouts += 1;
        this.#upper.whiteout(operation.parent, operation.name);
        return;
      case 'opaque': {
        this.whiteouts += 1;
        const directory = this.#upper.open(operation.path);
        if (directory === this.#tree.root) this.#need.note(() => 'what the root hides', 'directories');
        this.#upper.opaque(directory);
        return;
      }
      case 'hardlink':
        checkName(operation.name);
        this.#link(operation, this.#upper.open(operation.parent));
        return;
      default:
        this.#place(operation);
    }
  }

  #place(operation: Exclude<Placed, { op: 'hardlink' }>): void {
    const { path, name, parent } = operation;
    const entry = this.#owners === undefined ? operation.entry : shiftOwners(operation.entry, this.#owners);
    const xattrs = entry.xattrs && this.#xattrsOf(entry);
    if (path === '') {
      this.listsRoot = true;
      this.#describe(this.#tree.root, entry, xattrs);
      return;
    }
    checkName(name);
    checkNode(entry);
    const upper = this.#upper;
    const directory = upper.open(parent);
    const existing = upper.find(directory, name);
    let hides = false;
    if (existing !== NONE) {
      const inode = this.#tree.inodeOf(existing);
      if (operation.op === 'directory' && this.#tree.isDirectory(inode)) {
        if (upper.isListed(inode)) this.#noteDuplicate(entry);
        this.#describe(inode, entry, xattrs);
        return;
      }
      hides = this.#replace(existing, entry);
    }
    const inode = this.#make(operation.op, entry, xattrs);
    upper.place(directory, name, inode);
    // A directory in place of what hid the lower one must not merge with that.
    if (operation.op === 'directory' && hides) upper.makeOpaque(inode);
  }

  #make(
    op: keyof typeof TYPE_MODES,
    entry: TarEntry,
    xattrs: ReadonlyMap<string, Uint8Array> | undefined,
  ): number {
    const tree = this.#tree;
    const inode = tree.addInode(TYPE_MODES[op], op === 'symlink' ? { ...entry, mode: 0o777 } : entry);
    if (xattrs !== undefined) tree.setXattrs(inode, xattrs);
    switch (op) {
      case 'file':
        if (entry.sparse && entry.size > 0) this.#sparse.begin(inode, entry);
        else tree.setFile(inode, entry.size, TAR_OFFSET + entry.dataOffset);
        break;
      case 'directory':
        this.#upper.list(inode);
        break;
      case 'symlink':
        tree.setTarget(inode, entry.linkPath);
        break;
      case 'character-device':
      case 'block-device':
        tree.setDevice(inode, entry.devMajor, entry.devMinor);
        break;
      case 'fifo':
        break;
      default:
        op satisfies never;
    }
    return inode;
  }

  /** An entry for a directory replaces its attributes (image spec, layer.md, "Existing Directories"). */
  #describe(inode: number, entry: TarEntry, xattrs: ReadonlyMap<string, Uint8Array> | undefined): void {
    this.#tree.setAttributes(inode, entry);
    this.#tree.setXattrs(inode, xattrs);
    this.#upper.list(inode);
  }

  #xattrsOf(entry: TarEntry): ReadonlyMap<string, Uint8Array> | undefined {
    return storedXattrs(entry, (name) =>
      this.anomalies.add({ kind: 'xattr-skipped', entry: entry.path, offset: entry.offset, detail: name }),
    );
  }

  /** @returns whether what had the name hid lower files */
  #replace(existing: number, entry: TarEntry): boolean {
    const { isOwn, hides } = this.#upper.replace(existing);
    if (isOwn) this.#noteDuplicate(entry);
    return hides;
  }

  #noteDuplicate({ path, offset }: TarEntry): void {
    this.anomalies.add({ kind: 'duplicate', entry: path, offset });
  }

  #link({ name, linkPath, entry }: Operation & { readonly op: 'hardlink' }, parent: number): void {
    const upper = this.#upper;
    const tree = this.#tree;
    const slash = linkPath.lastIndexOf('/');
    const directory = upper.openKnown(slash < 0 ? '' : linkPath.slice(0, slash));
    const target = directory === NONE ? NONE : this.#targetIn(directory, linkPath.slice(slash + 1));
    if (target === NONE) {
      // It is left out when a lower layer that is to come may have the target.
      if (!this.#need.note(() => describeTarget(linkPath), 'links')) throw missesTarget(linkPath);
      return;
    }
    if (tree.isDirectory(target)) throw linksToDirectory(linkPath);
    const existing = upper.find(parent, name);
    if (existing !== NONE) {
      const inode = tree.inodeOf(existing);
      if (tree.isDirectory(inode) && upper.isBelow(directory, inode)) throw replacesItsTarget(linkPath);
      if (inode === target) {
        this.#noteDuplicate(entry);
        upper.own(existing);
        return;
      }
      this.#replace(existing, entry);
    }
    upper.place(parent, name, target);
  }

  /** The inode of a link's target; NONE when neither this layer nor a lower one has it. */
  #targetIn(directory: number, name: string): number {
    if (name === '') return this.#tree.root;
    const upper = this.#upper;
    checkName(name);
    const found = upper.find(directory, name);
    if (found !== NONE) {
      const inode = this.#tree.inodeOf(found);
      // A link to a whiteout would be another whiteout.
      return upper.isWhiteout(inode) ? NONE : inode;
    }
    const copied = upper.copyUp(directory, name);
    return copied === NONE ? NONE : this.#tree.inodeOf(copied);
  }
}

/** @throws OverlayerError `InvalidArgument`: the kernel would refuse the entry */
function checkNode({ type, linkPath, devMajor, devMinor }: TarEntry): void {
  if (type === 'symlink' && linkPath.length * 3 > MAX_TARGET_BYTES) {
    const bytes = encodePath(linkPath).length;
    if (bytes > MAX_TARGET_BYTES)
      throw new OverlayerError(
        'InvalidArgument',
        `the target of the symlink has ${bytes} bytes, and the kernel takes ${MAX_TARGET_BYTES}`,
      );
  }
  if (devMajor > MAX_MAJOR || devMinor > MAX_MINOR)
    throw new OverlayerError(
      'InvalidArgument',
      `the kernel has no device ${devMajor}:${devMinor}: ${MAX_MAJOR}:${MAX_MINOR} is the largest`,
    );
}

import type { WorkBudget } from '../../base/work-budget.js';
import { MODE, TYPE_MODES } from '../../erofs/format.js';
import { MARK, NONE } from '../../erofs/records.js';
import type { ErofsTree, InodeAttributes } from '../../erofs/tree.js';
import { isStorable } from '../../erofs/xattrs.js';
import { isMark } from '../../rootfs/xattrs.js';
import { inTheWay, linksToDirectory } from '../apply/applier-errors.js';
import { type LowerData, type LowerName, type LowerNode, type LowerTree, shownRoot } from './lower-tree.js';
import { MergedLowers } from './merged-lowers.js';
import { checkName, type Missing, Paths } from './paths.js';
import { emptyDirectory, walkBelow } from './tree-walks.js';

/** Bytes of a copied file for which one call is charged. */
const BYTES_OF_A_CALL: number = 1024 * 1024;
/** Bytes of memory that a name of a copied lower file takes in a set. */
const COPIED_BYTES = 48;

/** Lower layers in directories may have sockets. */
const NODE_TYPES: Readonly<Record<LowerNode['type'], number>> = { ...TYPE_MODES, socket: MODE.socket };

/** An entry for the directory gave it its attributes. */
const LISTED = MARK.user1;
/** The directory is below an opaque one, and was cleared of what hides lower contents. It is walked once. */
const CLEARED = MARK.user2;

/** A whiteout has no attributes of its own. */
const WHITEOUT: InodeAttributes = { mode: 0, uid: 0, gid: 0, mtimeSec: 0, mtimeNsec: 0 };

/** A lower file whose data are to be copied. */
export interface CopiedFile {
  readonly inode: number;
  readonly size: number;
  readonly data: LowerData;
}

interface UpperTreeOptions {
  readonly budget: WorkBudget;
  readonly lowers: LowerTree | undefined;
  /** Attributes of a directory that no layer lists. */
  readonly unlisted: InodeAttributes;
  /** A directory was made that no lower layer has. */
  readonly onUnlisted: (directory: number) => void;
}

/**
 * A layer in overlayfs's form, as `Rootfs` and `OverlayTarget` make it on disk: the same paths lead to the same
 * directories, the same marks hide the same lower files. Directories and names are numbers of an `ErofsTree`.
 *
 * There is one difference on disk, and none in a mount: a whiteout is made also where the lower layers have nothing.
 * So the layer does not depend on them for it.
 */
export class UpperTree {
  readonly tree: ErofsTree;
  /** Whether lower layers were asked for anything, or were missing. On other lower layers the tree may be another. */
  dependsOnLowers = false;
  readonly copied: CopiedFile[] = [];
  readonly #budget: WorkBudget;
  readonly #charge: () => void;
  readonly #lowers: LowerTree | undefined;
  readonly #unlisted: InodeAttributes;
  readonly #onUnlisted: (directory: number) => void;
  readonly #paths: Paths;
  /** The lower layers, as they merge with the tree. */
  readonly #merged: MergedLowers | undefined;
  /** Some path led through a symlink of a lower layer. */
  #followsLower = false;
  /** Names of lower files that were copied for a hard link only. */
  readonly #copiedUp = new Set<number>();
  #hidesAll = false;

  constructor(tree: ErofsTree, options: UpperTreeOptions) {
    this.tree = tree;
    const { root } = tree;
    const parentOf = (directory: number) => tree.directoryOf(tree.ownName(directory));
    this.#paths = new Paths({ root, parentOf }, options.budget, (directory, name, missing) =>
      this.#step(directory, name, missing),
    );
    this.#budget = options.budget;
    this.#charge = () => options.budget.charge();
    this.#lowers = options.lowers;
    this.#merged = options.lowers && new MergedLowers(tree, options.lowers, options.budget);
    this.#unlisted = options.unlisted;
    this.#onUnlisted = options.onUnlisted;
  }

  /** Opens the directory at a clean path ('' is the root). */
  open(path: string): number {
    return this.#paths.open(path, 'create');
  }

  /** Opens it if this layer or a lower one has it. @returns NONE otherwise */
  openKnown(path: string): number {
    return this.#paths.open(path, 'create-if-in-lowers');
  }

  /** @returns the number of the name; NONE when this layer does not have it */
  find(directory: number, name: string): number {
    return this.tree.find(directory, name);
  }

  /** An entry has given the directory its attributes. */
  list(directory: number): void {
    this.tree.mark(directory, LISTED);
  }

  isListed(directory: number): boolean {
    return this.tree.has(directory, LISTED);
  }

  isWhiteout(inode: number): boolean {
    return this.tree.typeOf(inode) === MODE.characterDevice && this.tree.deviceOf(inode) === 0;
  }

  /** Whether `directory` is `above` or below it. */
  isBelow(directory: number, above: number): boolean {
    const { tree } = this;
    for (let at = directory; ; at = tree.directoryOf(tree.ownName(at))) {
      if (at === above) return true;
      if (at === tree.root) return false;
      this.#budget.charge();
    }
  }

  /** The path of a name below the root. */
  pathOf(directory: number, name?: string): string {
    const { tree } = this;
    const names = name === undefined ? [] : [name];
    for (let at = directory; at !== tree.root; at = tree.directoryOf(tree.ownName(at)))
      names.push(tree.textOf(tree.ownName(at)));
    return names.reverse().join('/');
  }

  /** Adds a name that the directory does not have. */
  place(directory: number, name: string, inode: number): void {
    this.tree.link(directory, name, inode);
    // It may hide a symlink of a lower layer, through which paths have led.
    if (this.#followsLower) this.#paths.forget();
  }

  /**
   * Removes a name, so that another file can have it. `hides`: that file hides what lower layers have there.
   *
   * @returns whether this layer's entries made it
   */
  replace(name: number): { readonly isOwn: boolean; readonly hides: boolean } {
    const inode = this.tree.inodeOf(name);
    const whiteout = this.isWhiteout(inode);
    const copiedUp = this.#deleteCopied(name);
    this.#remove(name);
    return { isOwn: !whiteout && !copiedUp, hides: !copiedUp };
  }

  /** The file of this name is an entry's own from now on. */
  own(name: number): void {
    if (this.#copiedUp.size > 0) this.#deleteCopied(name);
  }

  /** Copies a lower file, so that it can be linked, as overlayfs does. @returns its name; NONE when there is none */
  copyUp(directory: number, name: string): number {
    const lower = this.#lookupLower(directory, name);
    if (lower === undefined) return NONE;
    if (lower.kind === 'directory') throw linksToDirectory(name);
    const { tree } = this;
    const { node } = lower;
    const inode = tree.addInode(
      NODE_TYPES[node.type],
      node.type === 'symlink' ? { ...attributesOf(node), mode: 0o777 } : attributesOf(node),
    );
    if (node.type === 'symlink') tree.setTarget(inode, node.target());
    else if (node.type === 'file') {
      tree.setXattrs(inode, withoutMarks(node.xattrs()));
      tree.setFile(inode, node.size, 0);
      this.#budget.charge(Math.ceil(node.size / BYTES_OF_A_CALL));
      this.copied.push({ inode, size: node.size, data: node.data() });
    } else tree.setDevice(inode, node.devMajor, node.devMinor);
    const copied = tree.link(directory, name, inode);
    this.#budget.keep(COPIED_BYTES);
    this.#copiedUp.add(copied);
    return copied;
  }

  /** Gives the root the attributes of the lower layers' root. */
  inheritRoot(): void {
    const lower = this.#lowers && shownRoot(this.#lowers.root.map(({ layer }) => layer));
    if (lower === undefined) return;
    this.dependsOnLowers = true;
    this.#inherit(this.tree.root, lower);
  }

  /** Hides what lower layers have at a path. */
  whiteout(path: string, name: string): void {
    const directory = this.#paths.open(path, this.#lowers === undefined ? 'create' : 'create-if-in-lowers');
    if (directory !== NONE) this.#hide(directory, name);
  }

  /** Hides what lower layers have in a directory. */
  opaque(directory: number): void {
    if (directory !== this.tree.root) {
      this.makeOpaque(directory);
      return;
    }
    this.dependsOnLowers = true;
    if (this.#lowers === undefined) this.makeOpaque(directory);
    else this.#hideAll(this.#lowers);
  }

  makeOpaque(directory: number): void {
    const { tree } = this;
    if (tree.has(directory, MARK.opaque)) return;
    tree.mark(directory, MARK.opaque);
    if (!tree.has(directory, CLEARED)) {
      tree.mark(directory, CLEARED);
      this.#budget.free(() => this.#clear(directory));
    }
    // Directories may be gone, or still merge with lower ones that are hidden now.
    this.#forgetAll();
  }

  /** Makes a whiteout for a lower entry, unless this layer has made an entry there. */
  #hide(directory: number, name: string): void {
    const { tree } = this;
    checkName(name);
    const existing = tree.find(directory, name);
    if (existing !== NONE) {
      const inode = tree.inodeOf(existing);
      if (this.#deleteCopied(existing)) this.#remove(existing);
      else if (!tree.isDirectory(inode))
        return; // made by this layer, or a whiteout
      else if (this.#isHollow(inode)) this.#remove(existing);
      else {
        // A directory that stays must not merge with the lower one.
        this.makeOpaque(inode);
        return;
      }
    }
    if (tree.has(directory, MARK.opaque)) return;
    tree.mark(directory, MARK.origin);
    this.place(directory, name, tree.addInode(MODE.characterDevice, WHITEOUT));
  }

  /** overlayfs always merges the roots of its layers: an opaque root takes one whiteout for each name. */
  #hideAll(lowers: LowerTree): void {
    if (this.#hidesAll) return; // what is there since then belongs to this layer
    this.#hidesAll = true;
    for (const name of lowers.names(lowers.root)) {
      this.#budget.charge(lowers.length);
      if (lowers.lookup(lowers.root, name) !== undefined) this.#hide(this.tree.root, name);
    }
  }

  /** @returns the directory, the target of a symlink, or NONE when the name does not exist */
  #step(directory: number, name: string, missing: Missing): number | string {
    const { tree } = this;
    checkName(name);
    const found = tree.find(directory, name);
    if (found !== NONE) {
      const inode = tree.inodeOf(found);
      const type = tree.typeOf(inode);
      if (type === MODE.directory) return inode;
      if (type === MODE.symlink) return tree.targetOf(inode);
      if (missing !== 'create') return NONE;
      return this.#makeWay(directory, name, found);
    }
    const lower = this.#lookupLower(directory, name);
    if (lower?.kind === 'directory') return this.#create(directory, name, lower.directory[0]!.node);
    if (lower?.node.type === 'symlink') {
      this.#followsLower = true;
      return lower.node.target();
    }
    return missing === 'create' ? this.#create(directory, name, undefined) : NONE;
  }

  /** Makes a directory in place of what hides a lower one. */
  #makeWay(directory: number, name: string, found: number): number {
    const copiedUp = this.#deleteCopied(found);
    if (!copiedUp && !this.isWhiteout(this.tree.inodeOf(found))) throw inTheWay(this.pathOf(directory, name));
    this.#remove(found);
    const created = this.#create(directory, name, undefined);
    if (!copiedUp) this.makeOpaque(created);
    return created;
  }

  /** Makes a directory that the layer does not list. @param like the nearest lower one, whose attributes it takes */
  #create(directory: number, name: string, like: LowerNode | undefined): number {
    const { tree } = this;
    this.dependsOnLowers = true;
    const created = tree.addInode(MODE.directory, this.#unlisted);
    this.place(directory, name, created);
    if (like === undefined) this.#onUnlisted(created);
    else this.#inherit(created, like);
    return created;
  }

  #inherit(directory: number, like: LowerNode): void {
    this.tree.setAttributes(directory, attributesOf(like));
    this.tree.setXattrs(directory, withoutMarks(like.xattrs()));
  }

  #lookupLower(directory: number, name: string): LowerName | undefined {
    this.dependsOnLowers = true;
    return this.#merged?.lookup(directory, name);
  }

  #deleteCopied(name: number): boolean {
    const wasCopied = this.#copiedUp.delete(name);
    if (wasCopied) this.#budget.keep(-COPIED_BYTES);
    return wasCopied;
  }

  /** Forgets paths after a directory or symlink was removed or hidden: any path may have led through it. */
  #forgetAll(): void {
    this.#paths.forget();
    this.#merged?.forget();
  }

  /** Removes a name and all below it. */
  #remove(name: number): void {
    const { tree } = this;
    const type = tree.typeOf(tree.inodeOf(name));
    if (type === MODE.directory)
      this.#budget.free(() => emptyDirectory(tree, tree.inodeOf(name), this.#charge));
    tree.unlink(name);
    if (type === MODE.directory || type === MODE.symlink) this.#forgetAll();
  }

  /** Whether a directory of this layer holds nothing but whiteouts. */
  #isHollow(directory: number): boolean {
    if (this.#mustStay(directory)) return false;
    return walkBelow(this.tree, directory, {
      step: this.#charge,
      enters: (inode) => !this.#mustStay(inode),
      visit: (name, inode) => this.#copiedUp.has(name) || this.isWhiteout(inode),
    });
  }

  #mustStay(directory: number): boolean {
    return this.tree.has(directory, LISTED | MARK.opaque);
  }

  /**
   * Removes what has no use in an opaque directory, in which no lower content is visible: whiteouts, copies of lower
   * files, and directories that hold nothing else.
   */
  #clear(directory: number): void {
    const { tree } = this;
    walkBelow(tree, directory, {
      step: this.#charge,
      enters: (inode) => {
        const enters = !tree.has(inode, CLEARED);
        if (enters) tree.mark(inode, CLEARED);
        return enters;
      },
      visit: (name, inode) => {
        if (!tree.isDirectory(inode) && (this.#deleteCopied(name) || this.isWhiteout(inode)))
          tree.unlink(name);
        return true;
      },
      left: (name, inode) => {
        if (tree.first(inode) === NONE && !this.#mustStay(inode)) tree.unlink(name);
      },
    });
  }
}

function attributesOf({ mode, uid, gid, mtimeSec, mtimeNsec }: LowerNode): InodeAttributes {
  return { mode, uid, gid, mtimeSec, mtimeNsec };
}

function withoutMarks(xattrs: ReadonlyMap<string, Uint8Array>): ReadonlyMap<string, Uint8Array> {
  return new Map([...xattrs].filter(([name, value]) => !isMark(name) && isStorable(name, value.length)));
}

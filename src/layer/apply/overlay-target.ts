import { CountedSet } from '../../base/counted-set.js';
import type { WorkBudget } from '../../base/work-budget.js';
import { type Directory, isDirectory, joinPath, mayBePartOfAPath, statId } from '../../rootfs/directory.js';
import { IdSet } from '../../rootfs/id-set.js';
import type { KeptDirectories } from '../../rootfs/kept-directories.js';
import { isWhiteout, lookupLower, statIfThere } from '../../rootfs/lower-layers.js';
import type { Rootfs } from '../../rootfs/rootfs.js';
import { copyUp, type OnRefusedOwner } from '../../rootfs/trees/copy-up.js';
import { type Pruning, pruneTree } from '../../rootfs/trees/prune-tree.js';
import { removeTree } from '../../rootfs/trees/remove-tree.js';
import { type WalkedEntry, walkTree } from '../../rootfs/trees/walk-tree.js';
import type { Stat } from '../../system/system.js';
import type { TarEntry } from '../../tar/types.js';
import type { Operation } from '../plan/operation.js';
import { inTheWay, linksToDirectory } from './applier-errors.js';
import type { OverlayMarks } from './overlay-marks.js';
import type { Target } from './target.js';

/**
 * An upperdir for overlayfs, which keeps deletions as whiteouts and opaque marks (`OverlayMarks`). Marks that were
 * made without privileges are seen by mounts with the option `userxattr` (Linux 5.11).
 */
export class OverlayTarget implements Target {
  readonly #rootfs: () => Rootfs;
  readonly #directories: KeptDirectories;
  readonly #budget: WorkBudget;
  readonly #marks: OverlayMarks;
  readonly #onRefusedOwner: OnRefusedOwner;
  readonly #uid: number;
  readonly #hasLowers: boolean;
  readonly #needsLowers: (what: string) => void;
  /** Directories whose lower contents are hidden. A whiteout in them would be visible as a file. */
  readonly #opaque: IdSet;
  /** Directories below opaque ones that were cleared of what hides lower contents. Each is walked once. */
  readonly #cleared: IdSet;
  /** Lower files that were copied up for a hard link only, as `<directory id>/<name>`. */
  readonly #copiedUp: CountedSet;
  #hidesAll = false;
  /**
   * Removes what has no use in an opaque directory, in which no lower content is visible: whiteouts, copies of lower
   * files, and directories that hold nothing else.
   */
  readonly #pruning: Pruning = {
    goes: (parentId, parent, name, stat) =>
      this.#copiedUp.delete(`${parentId}/${name}`) || isWhiteout(this.#rootfs().system, parent, name, stat),
    enters: (id) => !this.#cleared.has(id),
    stays: (_parentId, _name, id) => this.#directories.isListed(id) || this.#opaque.has(id),
    left: (id, fate) => (fate === 'gone' ? this.#gone(id) : this.#cleared.add(id)),
  };
  /** Path of a directory that is about to replace an entry that hides the lower one. It has to be made opaque. */
  #opaqueNext: string | undefined;

  constructor(
    rootfs: () => Rootfs,
    directories: KeptDirectories,
    budget: WorkBudget,
    options: {
      readonly marks: OverlayMarks;
      readonly onRefusedOwner: OnRefusedOwner;
      readonly uid: number;
      readonly hasLowers: boolean;
      /** Called when the layer depends on lower layers. */
      readonly needsLowers: (what: string) => void;
    },
  ) {
    this.#rootfs = rootfs;
    this.#directories = directories;
    this.#budget = budget;
    const keep = (bytes: number) => budget.keep(bytes);
    this.#opaque = new IdSet(keep);
    this.#cleared = new IdSet(keep);
    this.#copiedUp = new CountedSet(keep);
    this.#marks = options.marks;
    this.#onRefusedOwner = options.onRefusedOwner;
    this.#uid = options.uid;
    this.#hasLowers = options.hasLowers;
    this.#needsLowers = options.needsLowers;
  }

  whiteout({ parent, name, entry }: Operation & { op: 'whiteout' }): void {
    const directory = this.#rootfs().open(parent, this.#hasLowers ? 'create-if-in-lowers' : 'create');
    if (directory === undefined) return;
    this.#rootfs().beginUse(directory);
    try {
      this.#hide(directory, name, entry);
    } finally {
      this.#rootfs().endUse();
    }
  }

  opaque({ path, entry }: Operation & { op: 'opaque' }): void {
    const directory = this.#rootfs().open(path, 'create');
    const { root } = this.#rootfs();
    // A path may lead to the root through a symlink. `directory` would then be closed meanwhile, `root` stays open.
    if (directory.id === root.id) this.#needsLowers('what the root hides');
    if (directory.id === root.id && this.#hasLowers) this.#hideAll(root, entry);
    else this.#makeOpaque(directory);
  }

  /** Makes a whiteout for a lower entry, unless this layer has made an entry there. */
  #hide(directory: Directory, name: string, entry: TarEntry): void {
    const { system } = this.#rootfs();
    const { descriptor } = directory;
    const existing = statIfThere(system, descriptor, name);
    let pathsChanged = false;
    if (existing !== undefined) {
      if (this.#copiedUp.delete(`${directory.id}/${name}`)) system.unlink(descriptor, name);
      else if (!isDirectory(existing))
        return; // made by this layer, or a whiteout
      else if (this.#isHollow(directory, name)) this.#remove(descriptor, name);
      else {
        // A directory that stays must not merge with the lower one.
        this.#makeOpaque(this.#child(directory, name));
        return;
      }
      pathsChanged = mayBePartOfAPath(existing);
    }
    const lower = this.#lookupLower(directory, name);
    if (!this.#opaque.has(directory.id) && !(this.#hasLowers && lower === undefined)) {
      this.#marks.whiteout(directory, name, entry);
      pathsChanged ||= lower !== undefined && mayBePartOfAPath(lower);
    }
    if (pathsChanged) this.#rootfs().forgetAll();
  }

  /** Opens a child, and copies it up first when only a lower layer has it. `directory` is in use. */
  #child(directory: Directory, name: string): Directory {
    return this.#rootfs().open(joinPath(directory, name), 'create');
  }

  /** overlayfs always merges the roots of its layers: an opaque root takes one whiteout for each name. */
  #hideAll(root: Directory, entry: TarEntry): void {
    if (this.#hidesAll) return; // what is there since then belongs to this layer
    this.#hidesAll = true;
    const { system } = this.#rootfs();
    const names = new Set(root.lowers.flatMap((lower) => system.list(lower).map(({ name }) => name)));
    for (const name of names) this.#hide(root, name, entry);
  }

  /** Whether a directory of the upper layer holds nothing but whiteouts. */
  #isHollow(parent: Directory, name: string): boolean {
    const { system } = this.#rootfs();
    const ids: string[] = [];
    let isHollow = true;
    const enters = (stat: Stat) => {
      const id = statId(stat);
      isHollow = !stat.isMountRoot && !this.#opaque.has(id) && !this.#directories.isListed(id);
      if (isHollow) ids.push(id);
      return isHollow;
    };
    const visit = (entry: WalkedEntry) => {
      if (!isHollow) return false;
      if (isDirectory(entry.stat)) return enters(entry.stat);
      isHollow =
        this.#copiedUp.has(`${ids.at(-1)}/${entry.name}`) ||
        isWhiteout(system, entry.parent, entry.name, entry.stat);
      return false;
    };
    const left = () => void ids.pop();
    walkTree(system, this.#child(parent, name).descriptor, visit, { left });
    return isHollow;
  }

  replace(parent: Directory, operation: Operation, existing: Stat): boolean {
    const { system } = this.#rootfs();
    const { name, path } = operation;
    const whiteout = isWhiteout(system, parent.descriptor, name, existing);
    const copiedUp = this.#copiedUp.delete(`${parent.id}/${name}`);
    if (operation.op === 'directory' && !copiedUp) this.#opaqueNext = path;
    this.#remove(parent.descriptor, name);
    return !whiteout && !copiedUp;
  }

  meetDirectory(_parent: Directory, _operation: Operation, existing: Stat): boolean {
    return this.#directories.isListed(statId(existing));
  }

  placed(parent: Directory, { path, name }: Operation): void {
    // A link to itself makes a copied file the layer's own.
    if (this.#copiedUp.size > 0) this.#copiedUp.delete(`${parent.id}/${name}`);
    if (this.#opaqueNext !== path) return;
    this.#opaqueNext = undefined;
    this.#makeOpaque(this.#child(parent, name));
  }

  /** The entry would have replaced what a lower layer has there. */
  leftOut(parent: Directory, { name, entry }: Operation): void {
    this.#hide(parent, name, entry);
  }

  /** Copies a lower file up before it is linked, as overlayfs does. */
  findLinkTarget(directory: Directory, name: string): boolean {
    const { system } = this.#rootfs();
    const lower = lookupLower(system, directory.lowers, name);
    if (lower === undefined) return false;
    if (lower.kind === 'directory') {
      for (const descriptor of lower.descriptors) system.close(descriptor);
      throw linksToDirectory(name);
    }
    copyUp(system, lower.descriptor, directory.descriptor, name, lower.stat, this.#onRefusedOwner);
    this.#copiedUp.add(`${directory.id}/${name}`);
    return true;
  }

  blocked(parent: Directory, name: string, existing: Stat, path: string): void {
    if (!this.#copiedUp.delete(`${parent.id}/${name}`)) {
      if (!isWhiteout(this.#rootfs().system, parent.descriptor, name, existing)) throw inTheWay(path);
      this.#opaqueNext = path;
    }
    this.#remove(parent.descriptor, name);
  }

  implicitDirectory(created: Directory): void {
    if (this.#opaqueNext !== created.path) return;
    this.#opaqueNext = undefined;
    this.#makeOpaque(created);
  }

  #remove(parent: number, name: string): void {
    this.#budget.free(() => removeTree(this.#rootfs().system, parent, name, (id) => this.#gone(id)));
  }

  #gone(id: string): void {
    this.#directories.delete(id);
    this.#opaque.delete(id);
    this.#cleared.delete(id);
    this.#marks.forget(id);
  }

  #lookupLower(directory: Directory, name: string): Stat | undefined {
    const { system } = this.#rootfs();
    const lower = lookupLower(system, directory.lowers, name);
    if (lower?.kind !== 'directory') return lower?.stat;
    const stat = system.stat(lower.descriptors[0]!);
    for (const descriptor of lower.descriptors) system.close(descriptor);
    return stat;
  }

  #makeOpaque(directory: Directory): void {
    const rootfs = this.#rootfs();
    const { id, descriptor } = directory;
    if (this.#opaque.has(id)) return;
    this.#opaque.add(id);
    if (!this.#cleared.has(id)) {
      this.#cleared.add(id);
      this.#budget.free(() => pruneTree(rootfs.system, directory, this.#pruning, this.#uid));
    }
    this.#marks.opaque(descriptor);
    // Open directories may be removed, or still use lower ones that are hidden now.
    rootfs.forgetAll();
  }
}

import { copyUp } from '../rootfs/copy-up.js';
import type { DeferredDirectories } from '../rootfs/deferred-directories.js';
import { type Directory, isDirectory, mayBePartOfAPath, statId, withChild } from '../rootfs/directory.js';
import { isWhiteout, lookupLower, statIfThere } from '../rootfs/lower-layers.js';
import { removeTree } from '../rootfs/remove-tree.js';
import type { Rootfs } from '../rootfs/rootfs.js';
import { O, type Stat } from '../system/system.js';
import type { TarEntry } from '../tar/types.js';
import { inTheWay, linksToDirectory } from './applier-errors.js';
import type { Operation } from './operation.js';
import type { OverlayMarks } from './overlay-marks.js';
import type { Target } from './target.js';

const OPEN_DIRECTORY = O.RDONLY | O.DIRECTORY | O.NONBLOCK;

/**
 * An upperdir for overlayfs: deletions are kept as whiteouts and opaque marks (`OverlayMarks`). Marks that were made
 * without privileges are seen by mounts with the option `userxattr` (Linux 5.11).
 */
export class OverlayTarget implements Target {
  readonly #rootfs: () => Rootfs;
  readonly #deferred: DeferredDirectories;
  readonly #marks: OverlayMarks;
  readonly #hasLowers: boolean;
  readonly #needsLowers: (what: string) => void;
  /** Directories whose lower contents are hidden; in them a whiteout would be seen as a file. */
  readonly #opaque = new Set<string>();
  /** Directories below such ones that were rid of what hides lower contents: each is walked once. */
  readonly #cleared = new Set<string>();
  /** Lower files that are here only so that a hard link could be made, as `<directory id>/<name>`. */
  readonly #copiedUp = new Set<string>();
  /** Where a directory is about to replace something that hid the lower one: it must go on hiding it. */
  #opaqueNext: string | undefined;

  constructor(
    rootfs: () => Rootfs,
    deferred: DeferredDirectories,
    options: {
      readonly marks: OverlayMarks;
      readonly hasLowers: boolean;
      /** Is told of what depends on lower layers. */
      readonly needsLowers: (what: string) => void;
    },
  ) {
    this.#rootfs = rootfs;
    this.#deferred = deferred;
    this.#marks = options.marks;
    this.#hasLowers = options.hasLowers;
    this.#needsLowers = options.needsLowers;
  }

  whiteout({ parent, name, entry }: Operation & { op: 'whiteout' }): void {
    const directory = this.#rootfs().open(parent, this.#hasLowers ? 'create-if-in-lowers' : 'create');
    if (directory !== undefined) this.#hide(directory, name, entry);
  }

  opaque({ path, entry }: Operation & { op: 'opaque' }): void {
    const directory = this.#rootfs().open(path, 'create');
    const { root } = this.#rootfs();
    // Perhaps through a symlink; that descriptor would be closed in the midst of it.
    if (directory.id === root.id) this.#needsLowers('what the root hides');
    if (directory.id === root.id && this.#hasLowers) this.#hideAll(root, entry);
    else this.#makeOpaque(directory.descriptor);
  }

  /** Puts a whiteout where the lower layers have something that this layer has not made itself. */
  #hide(directory: Directory, name: string, entry: TarEntry): void {
    const { system } = this.#rootfs();
    const { descriptor } = directory;
    const existing = statIfThere(system, descriptor, name);
    if (existing !== undefined) {
      if (this.#copiedUp.delete(`${directory.id}/${name}`)) system.unlink(descriptor, name);
      else if (!isDirectory(existing))
        return; // this layer's own, or a whiteout already
      else if (this.#isHollow(descriptor, name, existing)) this.#remove(directory.descriptor, name);
      else {
        // A directory that stays must not merge with the lower one.
        withChild(system, descriptor, name, OPEN_DIRECTORY, (child) => this.#makeOpaque(child));
        return;
      }
    }
    const lower = this.#lookupLower(directory, name);
    if (this.#opaque.has(directory.id) || (this.#hasLowers && lower === undefined)) return;
    this.#marks.whiteout(directory, name, entry);
    const hidden = existing ?? lower;
    if (hidden !== undefined && mayBePartOfAPath(hidden)) this.#rootfs().forgetAll();
  }

  /** overlayfs merges the roots of its layers whatever they say: an opaque root takes a whiteout a name. */
  #hideAll(root: Directory, entry: TarEntry): void {
    const { system } = this.#rootfs();
    const names = new Set(root.lowers.flatMap((lower) => system.list(lower).map(({ name }) => name)));
    for (const name of names) this.#hide(root, name, entry);
  }

  /** Whether a directory of the upper layer was made for nothing but whiteouts in it. */
  #isHollow(parent: number, name: string, stat: Stat): boolean {
    const id = statId(stat);
    if (this.#opaque.has(id) || this.#deferred.isListed(id)) return false;
    const { system } = this.#rootfs();
    return withChild(system, parent, name, OPEN_DIRECTORY, (child) =>
      system.list(child).every((entry) => {
        const inside = system.statAt(child, entry.name);
        if (isDirectory(inside)) return this.#isHollow(child, entry.name, inside);
        return this.#copiedUp.has(`${id}/${entry.name}`) || isWhiteout(system, child, entry.name, inside);
      }),
    );
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
    return this.#deferred.isListed(statId(existing));
  }

  placed(parent: Directory, { path, name }: Operation): void {
    // A link to itself makes a copied file the layer's own.
    if (this.#copiedUp.size > 0) this.#copiedUp.delete(`${parent.id}/${name}`);
    if (this.#opaqueNext !== path) return;
    this.#opaqueNext = undefined;
    withChild(this.#rootfs().system, parent.descriptor, name, OPEN_DIRECTORY, (child) =>
      this.#makeOpaque(child),
    );
  }

  /** What a lower layer has there was to be replaced all the same. */
  leftOut(parent: Directory, { name, entry }: Operation): void {
    this.#hide(parent, name, entry);
  }

  /** overlayfs copies a lower file up before it links it. */
  findLinkTarget(directory: Directory, name: string): boolean {
    const { system } = this.#rootfs();
    const lower = lookupLower(system, directory.lowers, name);
    if (lower === undefined) return false;
    if (lower.kind === 'directory') {
      for (const descriptor of lower.descriptors) system.close(descriptor);
      throw linksToDirectory(name);
    }
    copyUp(system, lower.descriptor, directory.descriptor, name, lower.stat);
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
    this.#makeOpaque(created.descriptor);
  }

  #remove(parent: number, name: string): void {
    removeTree(this.#rootfs().system, parent, name, (id) => {
      this.#deferred.delete(id);
      this.#opaque.delete(id);
      this.#cleared.delete(id);
      this.#marks.forget(id);
    });
  }

  #lookupLower(directory: Directory, name: string): Stat | undefined {
    const { system } = this.#rootfs();
    const lower = lookupLower(system, directory.lowers, name);
    if (lower?.kind !== 'directory') return lower?.stat;
    const stat = system.stat(lower.descriptors[0]!);
    for (const descriptor of lower.descriptors) system.close(descriptor);
    return stat;
  }

  #makeOpaque(descriptor: number): void {
    const rootfs = this.#rootfs();
    const { system } = rootfs;
    const id = statId(system.stat(descriptor));
    if (this.#opaque.has(id)) return;
    this.#opaque.add(id);
    this.#removeHidden(descriptor, id);
    this.#marks.opaque(descriptor);
    // Directories that are open know of lower ones that are now hidden.
    if (this.#hasLowers) rootfs.forgetAll();
  }

  /**
   * Whiteouts, copies of lower files, and directories that hold nothing else: nothing lower is seen here any more.
   * @returns whether anything is left
   */
  #removeHidden(descriptor: number, id: string): boolean {
    if (this.#cleared.has(id)) return true;
    this.#cleared.add(id);
    const { system } = this.#rootfs();
    let left = false;
    for (const { name } of system.list(descriptor)) {
      const stat = system.statAt(descriptor, name);
      if (this.#isHidden(descriptor, id, name, stat)) this.#remove(descriptor, name);
      else left = true;
    }
    return left;
  }

  #isHidden(parent: number, parentId: string, name: string, stat: Stat): boolean {
    const { system } = this.#rootfs();
    if (!isDirectory(stat))
      return this.#copiedUp.delete(`${parentId}/${name}`) || isWhiteout(system, parent, name, stat);
    const id = statId(stat);
    const left = withChild(system, parent, name, OPEN_DIRECTORY, (child) => this.#removeHidden(child, id));
    return !left && !this.#deferred.isListed(id) && !this.#opaque.has(id);
  }
}

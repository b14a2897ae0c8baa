import { copyUp } from '../rootfs/copy-up.js';
import type { DeferredDirectories } from '../rootfs/deferred-directories.js';
import { type Directory, isDirectory, statId, withChild } from '../rootfs/directory.js';
import { isWhiteout, lookupLower, statIfThere } from '../rootfs/lower-layers.js';
import { removeTree } from '../rootfs/remove-tree.js';
import type { Rootfs } from '../rootfs/rootfs.js';
import { O, S, type Stat } from '../system/system.js';
import { inTheWay } from './applier-errors.js';
import type { Operation } from './operation.js';
import type { Target } from './target.js';

const OPEN_DIRECTORY = O.RDONLY | O.DIRECTORY | O.NONBLOCK;
const NOTHING = new Uint8Array(0);
const OPAQUE = Buffer.from('y');
const HAS_XATTR_WHITEOUTS = Buffer.from('x');

/**
 * An upperdir for overlayfs: deletions are kept as whiteouts and opaque marks, in the form of the kernel's
 * documentation (overlayfs.rst). Without privileges both are `user.overlay.*` attributes; a mount that is to see
 * them takes the option `userxattr`, on Linux 6.7 or later.
 */
export class OverlayTarget implements Target {
  readonly #rootfs: () => Rootfs;
  readonly #deferred: DeferredDirectories;
  readonly #rootless: boolean;
  readonly #hasLowers: boolean;
  readonly #prefix: 'trusted.overlay.' | 'user.overlay.';
  /** Directories whose lower contents are hidden; in them a whiteout would be seen as a file. */
  readonly #opaque = new Set<string>();
  /** Directories that have whiteouts, and say so. */
  readonly #marked = new Set<string>();
  /** Where a directory is about to replace something that hid the lower one: it must go on hiding it. */
  #opaqueNext: string | undefined;

  constructor(
    rootfs: () => Rootfs,
    deferred: DeferredDirectories,
    options: { readonly rootless: boolean; readonly hasLowers: boolean },
  ) {
    this.#rootfs = rootfs;
    this.#deferred = deferred;
    this.#rootless = options.rootless;
    this.#hasLowers = options.hasLowers;
    this.#prefix = options.rootless ? 'user.overlay.' : 'trusted.overlay.';
  }

  whiteout({ parent, name }: Operation & { op: 'whiteout' }): void {
    const rootfs = this.#rootfs();
    const { system } = rootfs;
    const directory = rootfs.open(parent, this.#hasLowers ? 'create-if-in-lowers' : 'create');
    if (directory === undefined) return;
    const existing = statIfThere(system, directory.descriptor, name);
    if (existing !== undefined) {
      // A file or a whiteout hides what is below already; a directory would merge with it.
      if (isDirectory(existing))
        withChild(system, directory.descriptor, name, OPEN_DIRECTORY, (child) => this.#makeOpaque(child));
      return;
    }
    if (this.#opaque.has(directory.id) || (this.#hasLowers && !this.#isInLowers(directory, name))) return;
    this.#markWhiteouts(directory);
    if (this.#rootless) this.#makeXattrWhiteout(directory, name);
    else system.makeNode(directory.descriptor, name, S.IFCHR, 0, 0);
  }

  opaque({ path }: Operation & { op: 'opaque' }): void {
    this.#makeOpaque(this.#rootfs().open(path, 'create').descriptor);
  }

  replace(parent: Directory, operation: Operation, existing: Stat): boolean {
    const { system } = this.#rootfs();
    const { name, path } = operation;
    const whiteout = isWhiteout(system, parent.descriptor, name, existing);
    if (operation.op === 'directory') this.#opaqueNext = path;
    this.#remove(parent, name, existing);
    return !whiteout;
  }

  meetDirectory(_parent: Directory, _operation: Operation, existing: Stat): boolean {
    return this.#deferred.isListed(statId(existing));
  }

  placed(parent: Directory, { path, name }: Operation): void {
    if (this.#opaqueNext !== path) return;
    this.#opaqueNext = undefined;
    withChild(this.#rootfs().system, parent.descriptor, name, OPEN_DIRECTORY, (child) =>
      this.#makeOpaque(child),
    );
  }

  /** overlayfs copies a lower file up before it links it. */
  findLinkTarget(directory: Directory, name: string): boolean {
    const { system } = this.#rootfs();
    const lower = lookupLower(system, directory.lowers, name);
    if (lower === undefined) return false;
    if (lower.kind === 'directory') {
      for (const descriptor of lower.descriptors) system.close(descriptor);
      return false;
    }
    copyUp(system, lower.descriptor, directory.descriptor, name, lower.stat);
    return true;
  }

  blocked(parent: Directory, name: string, existing: Stat, path: string): void {
    if (!isWhiteout(this.#rootfs().system, parent.descriptor, name, existing)) throw inTheWay(path);
    this.#opaqueNext = path;
    this.#remove(parent, name, existing);
  }

  implicitDirectory(path: string, created: Directory): void {
    if (this.#opaqueNext !== path) return;
    this.#opaqueNext = undefined;
    this.#makeOpaque(created.descriptor);
  }

  #remove(parent: Directory, name: string, existing: Stat): void {
    const rootfs = this.#rootfs();
    if (isDirectory(existing)) this.#deferred.delete(statId(existing));
    removeTree(rootfs.system, parent.descriptor, name);
    const type = existing.mode & S.IFMT;
    if (type === S.IFDIR || type === S.IFLNK) rootfs.forgetAll();
  }

  #isInLowers(directory: Directory, name: string): boolean {
    const { system } = this.#rootfs();
    const lower = lookupLower(system, directory.lowers, name);
    if (lower?.kind === 'directory') for (const descriptor of lower.descriptors) system.close(descriptor);
    return lower !== undefined;
  }

  #makeOpaque(descriptor: number): void {
    const rootfs = this.#rootfs();
    const { system } = rootfs;
    const id = statId(system.stat(descriptor));
    if (this.#opaque.has(id)) return;
    this.#opaque.add(id);
    if (this.#marked.has(id)) this.#removeWhiteouts(descriptor);
    system.setXattr(descriptor, `${this.#prefix}opaque`, OPAQUE);
    // Directories that are open know of lower ones that are now hidden.
    if (this.#hasLowers) rootfs.forgetAll();
  }

  #removeWhiteouts(descriptor: number): void {
    const { system } = this.#rootfs();
    for (const { name } of system.list(descriptor))
      if (isWhiteout(system, descriptor, name, system.statAt(descriptor, name)))
        system.unlink(descriptor, name);
  }

  /**
   * overlayfs hides the whiteouts of a directory only if it knows of them: it takes any directory with an origin
   * mark for one that may have some (an empty mark means "origin unknown"), and for whiteouts in the form of
   * attributes it wants `opaque=x`. Otherwise a whiteout of nothing would be listed as a file.
   */
  #markWhiteouts(directory: Directory): void {
    if (this.#marked.has(directory.id)) return;
    this.#marked.add(directory.id);
    const { system } = this.#rootfs();
    system.setXattr(directory.descriptor, `${this.#prefix}origin`, NOTHING);
    if (this.#rootless) system.setXattr(directory.descriptor, `${this.#prefix}opaque`, HAS_XATTR_WHITEOUTS);
  }

  #makeXattrWhiteout(directory: Directory, name: string): void {
    const { system } = this.#rootfs();
    const file = system.openAt(directory.descriptor, name, O.WRONLY | O.CREAT | O.EXCL, 0o600);
    try {
      system.setXattr(file, `${this.#prefix}whiteout`, OPAQUE);
    } finally {
      system.close(file);
    }
  }
}

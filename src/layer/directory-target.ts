import type { DeferredDirectories } from '../rootfs/deferred-directories.js';
import { type Directory, isDirectory, statId, withChild } from '../rootfs/directory.js';
import { statIfThere } from '../rootfs/lower-layers.js';
import { removeTree } from '../rootfs/remove-tree.js';
import type { Rootfs } from '../rootfs/rootfs.js';
import { O, S, type Stat } from '../system/system.js';
import { inTheWay } from './applier-errors.js';
import type { Operation } from './operation.js';
import type { Target } from './target.js';

const OPEN_DIRECTORY = O.RDONLY | O.DIRECTORY | O.NONBLOCK;

/**
 * A merged tree: whiteouts delete what lower layers left there, and nothing of this layer's own, in whatever
 * order the archive lists them (image spec, layer.md: whiteouts "MUST only apply to resources in lower layers").
 */
export class DirectoryTarget implements Target {
  readonly #rootfs: () => Rootfs;
  readonly #deferred: DeferredDirectories;
  /** False for a destination that began empty: there is nothing below, and so nothing to keep count of. */
  readonly #hasLower: boolean;
  /** What this layer has made, as `<directory id>/<name>`. */
  readonly #made = new Set<string>();
  /** Directories in which nothing of the lower layers is left: each is walked once, however many marks there are. */
  readonly #cleared = new Set<string>();

  constructor(rootfs: () => Rootfs, deferred: DeferredDirectories, hasLower: boolean) {
    this.#rootfs = rootfs;
    this.#deferred = deferred;
    this.#hasLower = hasLower;
  }

  whiteout({ parent, name }: Operation & { op: 'whiteout' }): void {
    if (!this.#hasLower) return;
    const directory = this.#rootfs().open(parent, 'leave');
    if (directory === undefined || this.#cleared.has(directory.id)) return;
    this.#removeLower(directory, name);
  }

  opaque({ path }: Operation & { op: 'opaque' }): void {
    const directory = this.#rootfs().open(path, 'create');
    if (!this.#hasLower) return;
    this.#clear(directory.descriptor, directory.id);
    this.#rootfs().forgetAll();
  }

  replace(parent: Directory, { name }: Operation, existing: Stat): boolean {
    const key = `${parent.id}/${name}`;
    const own = !this.#hasLower || this.#made.has(key);
    this.#remove(parent, name, existing);
    this.#made.delete(key);
    return own;
  }

  meetDirectory(parent: Directory, { name }: Operation, existing: Stat): boolean {
    return this.#hasLower
      ? this.#made.has(`${parent.id}/${name}`)
      : this.#deferred.isListed(statId(existing));
  }

  placed(parent: Directory, { name }: Operation): void {
    if (this.#hasLower) this.#made.add(`${parent.id}/${name}`);
  }

  findLinkTarget(): boolean {
    return false;
  }

  blocked(parent: Directory, name: string, existing: Stat, path: string): void {
    if (!this.#hasLower || this.#made.has(`${parent.id}/${name}`)) throw inTheWay(path);
    this.#remove(parent, name, existing);
  }

  implicitDirectory(): void {}

  /** Everything goes, this layer's own included. */
  #remove(parent: Directory, name: string, existing: Stat): void {
    const rootfs = this.#rootfs();
    if (isDirectory(existing)) this.#deferred.delete(statId(existing));
    removeTree(rootfs.system, parent.descriptor, name);
    if (mayBePartOfAPath(existing)) rootfs.forgetAll();
  }

  #removeLower({ descriptor, id }: Directory, name: string): void {
    const existing = statIfThere(this.#rootfs().system, descriptor, name);
    if (existing === undefined) return;
    this.#removeLowerFrom(descriptor, id, name, existing);
    if (mayBePartOfAPath(existing)) this.#rootfs().forgetAll();
  }

  /** @returns whether it went, rather than being kept for what this layer made in it */
  #removeLowerFrom(descriptor: number, id: string, name: string, existing: Stat): boolean {
    const { system } = this.#rootfs();
    const made = this.#made.has(`${id}/${name}`);
    if (!isDirectory(existing)) {
      if (!made) system.unlink(descriptor, name);
      return !made;
    }
    const below = statId(existing);
    const kept = withChild(system, descriptor, name, OPEN_DIRECTORY, (child) => this.#clear(child, below));
    if (kept || made) return false;
    system.removeDirectory(descriptor, name);
    this.#cleared.delete(below);
    this.#deferred.delete(below);
    return true;
  }

  /** Removes what lower layers left in an open directory. @returns whether anything is left */
  #clear(descriptor: number, id: string): boolean {
    if (this.#cleared.has(id)) return true;
    const { system } = this.#rootfs();
    let kept = false;
    for (const { name } of system.list(descriptor))
      if (!this.#removeLowerFrom(descriptor, id, name, system.statAt(descriptor, name))) kept = true;
    this.#cleared.add(id);
    return kept;
  }
}

function mayBePartOfAPath(stat: Stat): boolean {
  const type = stat.mode & S.IFMT;
  return type === S.IFDIR || type === S.IFLNK;
}

import type { DeferredDirectories } from '../rootfs/deferred-directories.js';
import {
  type Directory,
  describeDirectory,
  isDirectory,
  joinPath,
  mayBePartOfAPath,
  statId,
  withChild,
} from '../rootfs/directory.js';
import { statIfThere } from '../rootfs/lower-layers.js';
import { removeTree } from '../rootfs/remove-tree.js';
import type { Rootfs } from '../rootfs/rootfs.js';
import { O, type Stat } from '../system/system.js';
import { inTheWay } from './applier-errors.js';
import type { Operation } from './operation.js';
import type { Target } from './target.js';

const OWNER_ALL = 0o700;
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

  readonly #touch: (directory: Directory) => void;

  /** @param options.touch is told of a lower layer's directory before it is changed */
  constructor(
    rootfs: () => Rootfs,
    deferred: DeferredDirectories,
    options: { readonly hasLower: boolean; readonly touch: (directory: Directory) => void },
  ) {
    this.#rootfs = rootfs;
    this.#deferred = deferred;
    this.#hasLower = options.hasLower;
    this.#touch = options.touch;
  }

  whiteout({ parent, name }: Operation & { op: 'whiteout' }): void {
    if (!this.#hasLower) return;
    const directory = this.#rootfs().open(parent, 'leave');
    if (directory === undefined || this.#cleared.has(directory.id)) return;
    const existing = statIfThere(this.#rootfs().system, directory.descriptor, name);
    if (existing === undefined) return;
    this.#removeLower(directory, name, existing);
    if (mayBePartOfAPath(existing)) this.#rootfs().forgetAll();
  }

  opaque({ path }: Operation & { op: 'opaque' }): void {
    const directory = this.#rootfs().open(path, 'create');
    if (!this.#hasLower) return;
    this.#clear(directory);
    this.#rootfs().forgetAll();
  }

  replace(parent: Directory, { name }: Operation): boolean {
    const key = `${parent.id}/${name}`;
    const own = !this.#hasLower || this.#made.has(key);
    this.#remove(parent, name);
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

  leftOut(): void {}

  findLinkTarget(): boolean {
    return false;
  }

  blocked(parent: Directory, name: string, _existing: Stat, path: string): void {
    if (!this.#hasLower || this.#made.has(`${parent.id}/${name}`)) throw inTheWay(path);
    this.#remove(parent, name);
  }

  implicitDirectory(): void {}

  /** Everything goes, this layer's own included. */
  #remove(parent: Directory, name: string): void {
    removeTree(this.#rootfs().system, parent.descriptor, name, (id) => this.#gone(id));
  }

  /** @returns whether it went, rather than being kept for what this layer made in it */
  #removeLower(directory: Directory, name: string, existing: Stat): boolean {
    const { system } = this.#rootfs();
    const made = this.#made.has(`${directory.id}/${name}`);
    if (!isDirectory(existing)) {
      if (!made) system.unlink(directory.descriptor, name);
      return !made;
    }
    const below = joinPath(directory, name);
    this.#letIn(directory, name, below, existing);
    const kept = withChild(system, directory.descriptor, name, OPEN_DIRECTORY, (child) =>
      this.#clear(describeDirectory(system, child, [], below)),
    );
    if (kept || made) return false;
    system.removeDirectory(directory.descriptor, name);
    this.#gone(statId(existing));
    return true;
  }

  /** Without privileges, a directory may refuse its own owner: until the end it does not. */
  #letIn(parent: Directory, name: string, path: string, { mode, ...existing }: Stat): void {
    const id = statId({ mode, ...existing });
    if ((mode & OWNER_ALL) === OWNER_ALL || process.geteuid!() === 0 || this.#deferred.has(id)) return;
    this.#rootfs().system.chmodAt(parent.descriptor, name, OWNER_ALL);
    this.#deferred.setImplicit(id, path, existing, mode & 0o7777);
  }

  /** Removes what lower layers left in a directory. @returns whether anything is left */
  #clear(directory: Directory): boolean {
    const { id, descriptor } = directory;
    if (this.#cleared.has(id)) return true;
    const { system } = this.#rootfs();
    this.#touch(directory);
    let kept = false;
    for (const { name } of system.list(descriptor))
      if (!this.#removeLower(directory, name, system.statAt(descriptor, name))) kept = true;
    this.#cleared.add(id);
    return kept;
  }

  #gone(id: string): void {
    this.#cleared.delete(id);
    this.#deferred.delete(id);
  }
}

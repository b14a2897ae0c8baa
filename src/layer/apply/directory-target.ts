import { CountedSet } from '../../base/counted-set.js';
import type { WorkBudget } from '../../base/work-budget.js';
import { type Directory, mayBePartOfAPath, statId } from '../../rootfs/directory.js';
import { IdSet } from '../../rootfs/id-set.js';
import type { KeptDirectories } from '../../rootfs/kept-directories.js';
import { statIfThere } from '../../rootfs/lower-layers.js';
import type { Rootfs } from '../../rootfs/rootfs.js';
import { type Pruning, pruneTree } from '../../rootfs/trees/prune-tree.js';
import { removeTree } from '../../rootfs/trees/remove-tree.js';
import type { Stat } from '../../system/system.js';
import type { Operation } from '../plan/operation.js';
import { inTheWay } from './applier-errors.js';
import type { Target } from './target.js';

/**
 * A merged tree: whiteouts delete what lower layers left there, and nothing of this layer's own, in whatever
 * order the archive lists them (image spec, layer.md: whiteouts "MUST only apply to resources in lower layers").
 */
export class DirectoryTarget implements Target {
  readonly #rootfs: () => Rootfs;
  readonly #directories: KeptDirectories;
  readonly #budget: WorkBudget;
  /** False for a destination that began empty: there is nothing below, and so nothing to keep count of. */
  readonly #hasLower: boolean;
  readonly #uid: number;
  /** What this layer has made, as `<directory id>/<name>`. */
  readonly #made: CountedSet;
  /** Directories in which nothing of the lower layers is left: each is walked once, however many marks there are. */
  readonly #cleared: IdSet;
  /** What lower layers left goes; what this layer made stays, and the directories it is in. */
  readonly #pruning: Pruning = {
    goes: (parentId, _parent, name) => !this.#made.has(`${parentId}/${name}`),
    enters: (id) => !this.#cleared.has(id),
    stays: (parentId, name) => this.#made.has(`${parentId}/${name}`),
    left: (id, fate) => (fate === 'gone' ? this.#gone(id) : this.#cleared.add(id)),
  };

  constructor(
    rootfs: () => Rootfs,
    directories: KeptDirectories,
    budget: WorkBudget,
    options: { readonly hasLower: boolean; readonly uid: number },
  ) {
    this.#rootfs = rootfs;
    this.#directories = directories;
    this.#budget = budget;
    this.#hasLower = options.hasLower;
    this.#uid = options.uid;
    this.#made = new CountedSet((bytes) => budget.keep(bytes));
    this.#cleared = new IdSet((bytes) => budget.keep(bytes));
  }

  whiteout({ parent, name }: Operation & { op: 'whiteout' }): void {
    if (!this.#hasLower) return;
    const directory = this.#rootfs().open(parent, 'leave');
    if (directory === undefined || this.#cleared.has(directory.id)) return;
    const existing = statIfThere(this.#rootfs().system, directory.descriptor, name);
    if (existing === undefined) return;
    this.#prune(directory, name);
    if (mayBePartOfAPath(existing)) this.#rootfs().forgetAll();
  }

  opaque({ path }: Operation & { op: 'opaque' }): void {
    const directory = this.#rootfs().open(path, 'create');
    if (!this.#hasLower) return;
    if (this.#cleared.has(directory.id)) return;
    this.#prune(directory);
    this.#cleared.add(directory.id);
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
      : this.#directories.isListed(statId(existing));
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
    this.#budget.free(() =>
      removeTree(this.#rootfs().system, parent.descriptor, name, (id) => this.#gone(id)),
    );
  }

  /** What lower layers left goes: under this name, or all in the directory. */
  #prune(directory: Directory, name?: string): void {
    this.#budget.free(() => pruneTree(this.#rootfs().system, directory, this.#pruning, this.#uid, name));
  }

  #gone(id: string): void {
    this.#cleared.delete(id);
    this.#directories.delete(id);
  }
}

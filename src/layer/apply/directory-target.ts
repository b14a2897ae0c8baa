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
 * A merged tree. A whiteout deletes what lower layers left, and nothing of its own layer, whatever the order of the
 * entries (image spec, layer.md: whiteouts "MUST only apply to resources in lower layers").
 */
export class DirectoryTarget implements Target {
  readonly #rootfs: () => Rootfs;
  readonly #directories: KeptDirectories;
  readonly #budget: WorkBudget;
  /** False when the destination was empty: no lower layer left anything, and nothing has to be recorded. */
  readonly #hasLower: boolean;
  readonly #uid: number;
  /** Entries that this layer made, as `<directory id>/<name>`. */
  readonly #made: CountedSet;
  /** Directories that hold nothing of the lower layers: each is walked once, however many marks apply to it. */
  readonly #cleared: IdSet;
  /** Deletes what lower layers left, and keeps what this layer made and the directories that lead to it. */
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

  /** Removes a whole tree, entries of this layer included. */
  #remove(parent: Directory, name: string): void {
    this.#budget.free(() =>
      removeTree(this.#rootfs().system, parent.descriptor, name, (id) => this.#gone(id)),
    );
  }

  /** Removes what lower layers left: at `name`, or in all of the directory. */
  #prune(directory: Directory, name?: string): void {
    this.#budget.free(() => pruneTree(this.#rootfs().system, directory, this.#pruning, this.#uid, name));
  }

  #gone(id: string): void {
    this.#cleared.delete(id);
    this.#directories.delete(id);
  }
}

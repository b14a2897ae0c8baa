import type { WorkBudget } from '../../base/work-budget.js';
import { MARK } from '../../erofs/records.js';
import type { ErofsTree } from '../../erofs/tree.js';
import type { LowerDirectory, LowerName, LowerTree } from './lower-tree.js';

/** Bound of remembered directories. */
const MAX_REMEMBERED = 1024;

/** Looks names up in the lower directories that merge with directories of a layer. */
export class MergedLowers {
  readonly #tree: ErofsTree;
  readonly #lowers: LowerTree;
  readonly #budget: WorkBudget;
  readonly #merged = new Map<number, LowerDirectory>();

  constructor(tree: ErofsTree, lowers: LowerTree, budget: WorkBudget) {
    this.#tree = tree;
    this.#lowers = lowers;
    this.#budget = budget;
  }

  /** A name of a directory, as the lower layers show it there. */
  lookup(directory: number, name: string): LowerName | undefined {
    return this.#lookup(this.#mergedWith(directory), name);
  }

  /** Forgets what merges: a directory has become opaque, or is gone. */
  forget(): void {
    this.#merged.clear();
  }

  #lookup(directory: LowerDirectory, name: string): LowerName | undefined {
    this.#budget.charge(directory.length);
    return this.#lowers.lookup(directory, name);
  }

  #mergedWith(directory: number): LowerDirectory {
    const tree = this.#tree;
    const todo: number[] = [];
    let at = directory;
    let merged = this.#known(at);
    for (; merged === undefined; merged = this.#known(at)) {
      todo.push(at);
      at = tree.directoryOf(tree.ownName(at));
    }
    for (const below of todo.reverse()) {
      const lower = this.#lookup(merged, tree.textOf(tree.ownName(below)));
      merged = lower?.kind === 'directory' ? lower.directory : [];
      if (this.#merged.size >= MAX_REMEMBERED) this.#merged.clear();
      this.#merged.set(below, merged);
    }
    return merged;
  }

  #known(directory: number): LowerDirectory | undefined {
    if (this.#tree.has(directory, MARK.opaque)) return [];
    return directory === this.#tree.root ? this.#lowers.root : this.#merged.get(directory);
  }
}

import { OverlayerError } from '../../base/errors.js';
import { displayPath, encodePath } from '../../base/path-bytes.js';
import type { WorkBudget } from '../../base/work-budget.js';
import { MAX_NAME_BYTES } from '../../erofs/format.js';
import { NONE } from '../../erofs/records.js';

/** containerd's limit; the kernel's is 40. */
const MAX_SYMLINKS = 255;
/** Bound of remembered paths. */
const MAX_REMEMBERED = 1024;

/** Whether missing directories of a path are made: all, or those that a lower layer has. */
export type Missing = 'create' | 'create-if-in-lowers';

/** Resolves one name. @returns the directory, the target of a symlink, or NONE when the name does not exist */
type Step = (directory: number, name: string, missing: Missing) => number | string;

/** A tree whose directories are numbers. */
export interface PathTree {
  readonly root: number;
  parentOf(directory: number): number;
}

/** Finds the directories of paths, through symlinks as in a chroot. */
export class Paths {
  readonly #tree: PathTree;
  readonly #budget: WorkBudget;
  readonly #step: Step;
  /** Directories that paths led to, until one of them may have changed. */
  readonly #places = new Map<string, number>();
  /** The last one of them: an archive lists the files of a directory together. */
  #lastPath = '';
  #lastPlace: number;

  constructor(tree: PathTree, budget: WorkBudget, step: Step) {
    this.#tree = tree;
    this.#budget = budget;
    this.#step = step;
    this.#lastPlace = tree.root;
  }

  /**
   * @param path clean, relative to the root, which is ''
   * @throws OverlayerError `InvalidArgument`: more than 255 symlinks
   */
  open(path: string, missing: Missing): number {
    if (path === this.#lastPath) return this.#lastPlace;
    const place = this.#places.get(path) ?? this.#walk(path, missing);
    if (place === NONE) return NONE;
    if (this.#places.size >= MAX_REMEMBERED) this.#places.clear();
    this.#places.set(path, place);
    this.#lastPath = path;
    this.#lastPlace = place;
    return place;
  }

  /** Forgets all paths: a directory or symlink, through which any may have led, was removed or hidden. */
  forget(): void {
    this.#places.clear();
    this.#lastPath = '';
    this.#lastPlace = this.#tree.root;
  }

  #walk(path: string, missing: Missing): number {
    const tree = this.#tree;
    const slash = Math.max(path.lastIndexOf('/'), 0);
    const parent = this.#places.get(path.slice(0, slash));
    let at = parent ?? tree.root;
    const todo = (parent === undefined ? path : path.slice(slash)).split('/').reverse();
    let links = 0;
    while (todo.length > 0) {
      const name = todo.pop()!;
      this.#budget.charge();
      if (name === '' || name === '.') continue;
      if (name === '..') {
        if (at !== tree.root) at = tree.parentOf(at);
        continue;
      }
      const next = this.#step(at, name, missing);
      if (next === NONE) return NONE;
      if (typeof next === 'number') {
        at = next;
        continue;
      }
      if (++links > MAX_SYMLINKS) {
        if (missing !== 'create') return NONE;
        throw new OverlayerError(
          'InvalidArgument',
          `Cannot resolve "${displayPath(path)}": more than ${MAX_SYMLINKS} symlinks on its way`,
        );
      }
      if (next.startsWith('/')) at = tree.root;
      todo.push(...next.split('/').reverse());
    }
    return at;
  }
}

/** @throws OverlayerError `InvalidArgument`: the kernel has no names of more than 255 bytes */
export function checkName(name: string): void {
  if (name.length * 3 <= MAX_NAME_BYTES || encodePath(name).length <= MAX_NAME_BYTES) return;
  throw new OverlayerError(
    'InvalidArgument',
    `the name "${displayPath(name)}" has more than ${MAX_NAME_BYTES} bytes`,
  );
}

import { type Model, ROOT } from './model.js';

export type Order = 'size' | 'name';

export interface Filter {
  readonly text: string;
  /** Index of a layer. */
  readonly layer: number | undefined;
  readonly show: Show;
}

export const SHOWS = {
  image: 'in the image',
  file: 'files',
  symlink: 'symlinks',
  setuid: 'setuid and setgid',
  history: 'written by several layers',
  removed: 'not in the image: removed later',
  differs: 'other than in the compared image',
} as const;
export type Show = keyof typeof SHOWS;

/** Which rows the table of files has: a tree with open directories, or a list of all paths that a filter finds. */
export class FileRows {
  readonly #model: Model;
  readonly #open = new Set<number>([ROOT]);
  readonly #differing: ReadonlySet<number>;
  #order: Order = 'size';
  #filter: Filter = { text: '', layer: undefined, show: 'image' };
  /** The nodes of the rows. */
  nodes: readonly number[] = [];

  constructor(model: Model) {
    this.#model = model;
    this.#differing = new Set(model.differences.map(({ node }) => node));
    this.#update();
  }

  get isList(): boolean {
    const { text, layer, show } = this.#filter;
    return text !== '' || layer !== undefined || show !== 'image';
  }

  get order(): Order {
    return this.#order;
  }

  isOpen(directory: number): boolean {
    return this.#open.has(directory);
  }

  setOpen(directory: number, isOpen: boolean): void {
    if (isOpen) this.#open.add(directory);
    else this.#open.delete(directory);
    this.#update();
  }

  sort(order: Order): void {
    this.#order = order;
    this.#update();
  }

  filter(filter: Filter): void {
    // A longer text finds a part of what the shorter one has found.
    const before = this.#filter;
    const isNarrower =
      this.isList &&
      filter.layer === before.layer &&
      filter.show === before.show &&
      filter.text.startsWith(before.text);
    this.#filter = filter;
    if (this.isList && isNarrower) this.nodes = this.#matching(this.nodes);
    else this.#update();
  }

  /** Opens the directories above a node. */
  reveal(node: number): void {
    for (let at = this.#model.parent[node]!; at !== ROOT; at = this.#model.parent[at]!) this.#open.add(at);
    this.#filter = { text: '', layer: undefined, show: 'image' };
    this.#update();
  }

  #update(): void {
    if (!this.isList) {
      this.nodes = this.#treeRows();
      return;
    }
    this.nodes = this.#matching(this.#order === 'size' ? this.#model.bySize : undefined);
  }

  #treeRows(): readonly number[] {
    const rows: number[] = [];
    const childrenOf = (node: number) =>
      this.#order === 'size' ? this.#model.largestIn(node) : this.#model.childrenOf(node);
    const open = [...childrenOf(ROOT)].reverse();
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      rows.push(node);
      if (!this.#open.has(node)) continue;
      const children = childrenOf(node);
      for (let at = children.length - 1; at >= 0; at--) open.push(children[at]!);
    }
    return rows;
  }

  /** @param among the nodes to look at, in their order. @default all, by path */
  #matching(among: ArrayLike<number> | undefined): readonly number[] {
    const { layer, show, text } = this.#filter;
    const model = this.#model;
    const words = text
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== '');
    const paths = words.length === 0 ? [] : model.haystack;
    const found: number[] = [];
    const count = among === undefined ? model.count : among.length;
    for (let at = among === undefined ? 1 : 0; at < count; at++) {
      const node = among === undefined ? at : among[at]!;
      if (layer !== undefined && !this.#isOfLayer(node, layer)) continue;
      if (!this.#isShown(node, show)) continue;
      if (words.every((word) => paths[node]!.includes(word))) found.push(node);
    }
    return found;
  }

  #isOfLayer(node: number, layer: number): boolean {
    return (
      this.#model.layerOf(node) === layer ||
      this.#model.historyOf(node).some((version) => version.layer === layer)
    );
  }

  #isShown(node: number, show: Show): boolean {
    const model = this.#model;
    switch (show) {
      case 'image':
        return model.isInImage(node);
      case 'file':
      case 'symlink':
        return model.isInImage(node) && model.kindOf(node)[0] === show;
      case 'setuid':
        return model.isSetuid(node);
      case 'history':
        return model.isInImage(node) && !model.isDirectory(node) && model.hasHistory(node);
      case 'removed':
        return !model.isInImage(node) && model.hasHistory(node);
      case 'differs':
        return this.#differing.has(node);
      default:
        return show satisfies never;
    }
  }
}

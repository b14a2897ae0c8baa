import { OverlayerError } from '../base/errors.js';
import { type Limits, limitError } from '../base/limits.js';
import { WorkBudget } from '../base/work-budget.js';
import { NameTable } from '../erofs/name-table.js';
import { Arena, NAME, NONE, Records } from '../erofs/records.js';
import {
  atEntry,
  inTheWay,
  linksToDirectory,
  missesTarget,
  replacesItsTarget,
} from '../layer/apply/applier-errors.js';
import { checkName, type Missing, Paths } from '../layer/erofs/paths.js';
import { SCANNED, SCANNED_NUMBERS, SCANNED_OPS, type ScannedEntries } from '../layer/scanned-entries.js';
import { NodeTable } from './node-table.js';

/** Words of a path: its first child, its last change, and the layer (plus 1) that cleared the directory last. */
const PATH = { first: 0, change: 1, cleared: 2 } as const;
const PATH_WORDS = 3;

/** Words of a change: one layer's effect on one path. `before` and `after` are nodes, `previous` the path's change before. */
const CHANGE = { path: 0, layer: 1, before: 2, after: 3, previous: 4 } as const;
const CHANGE_WORDS = 5;

/** The path of the root. The others are the numbers of their names, plus 1. */
export const ROOT = 0;

/** A change, whose `before` and `after` are nodes or `NONE`. */
export interface Change {
  readonly path: number;
  readonly layer: number;
  readonly before: number;
  readonly after: number;
}

/**
 * The layers of an image applied to each other in memory, as `unpackImage` applies them on disk: the same entries win,
 * the same are refused. It remembers what each layer did to each path.
 *
 * Paths, nodes and changes are numbers. An entry takes about 140 bytes beside its name.
 */
export class ImageTree {
  readonly #limits: Limits;
  readonly #arena = new Arena();
  readonly #names: NameTable;
  readonly #paths = new Records(PATH_WORDS);
  readonly nodes: NodeTable;
  readonly #changes = new Records(CHANGE_WORDS);
  /** The first change of each layer. */
  readonly #starts: number[] = [];
  #rootNode: number;
  #budget: WorkBudget;
  #walker: Paths;
  /** Bytes of memory of all layers together. */
  #kept = 0;
  /** The entry that is applied. */
  #entry: { readonly path: string; readonly offset: number } | undefined;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#budget = new WorkBudget(limits);
    this.#names = new NameTable(this.#arena, (bytes) => this.#keep(bytes));
    this.nodes = new NodeTable(this.#arena, (bytes) => this.#keep(bytes));
    this.#walker = this.#openPaths();
    this.#rootNode = this.nodes.addImplicit(0);
    this.#addPath();
  }

  /** Begins the next layer. @param look called from time to time; throws to abort */
  beginLayer(look: () => void): void {
    this.#budget = new WorkBudget(this.#limits, { look });
    this.#walker = this.#openPaths();
    this.#starts.push(this.#changes.length);
  }

  /**
   * Applies entries of the layer that was begun last, in the order of the layer.
   *
   * @throws OverlayerError as `unpackLayer` for a layer that can't be unpacked; `ResourceExhausted`
   */
  apply({ paths, links, numbers }: ScannedEntries): void {
    try {
      for (let at = 0; at < paths.length; at++) {
        const path = paths[at]!;
        const row = at * SCANNED_NUMBERS;
        this.#entry = { path, offset: numbers[row + SCANNED.offset]! };
        this.#budget.begin(this.#entry);
        this.#budget.charge();
        this.#applyOne(path, links[at]!, numbers, row);
      }
    } catch (error) {
      throw error instanceof OverlayerError ? atEntry(error, this.#entry) : error;
    }
  }

  get layers(): number {
    return this.#starts.length;
  }

  /** The node that a path has in the tree; NONE when it was removed. */
  nodeOf(path: number): number {
    return path === ROOT ? this.#rootNode : this.#names.records.get(path - 1, NAME.inode);
  }

  /** @returns the path; NONE when no layer has it */
  find(directory: number, name: string): number {
    const found = this.#names.find(directory, name);
    return found === NONE ? NONE : found + 1;
  }

  /** The directory of a path other than the root. */
  parentOf(path: number): number {
    return path === ROOT ? ROOT : this.#names.records.get(path - 1, NAME.parent);
  }

  nameOf(path: number): string {
    return this.#names.textOf(path - 1);
  }

  /** The text of a path; '' for the root. */
  textOf(path: number): string {
    const names: string[] = [];
    for (let at = path; at !== ROOT; at = this.parentOf(at)) names.push(this.nameOf(at));
    return names.reverse().join('/');
  }

  /** All paths that layers have had in a directory, in no order. */
  *childrenOf(directory: number): Generator<number, void, void> {
    const names = this.#names.records;
    for (let name = this.#paths.get(directory, PATH.first); name !== NONE; name = names.get(name, NAME.next))
      yield name + 1;
  }

  /** What a layer did to each path. A path that it left as it was may be among them. */
  *changesOf(layer: number): Generator<Change, void, void> {
    const end = this.#starts[layer + 1] ?? this.#changes.length;
    for (let change = this.#starts[layer]!; change < end; change++) yield this.#changeAt(change);
  }

  /** What layers did to a path, the highest first. */
  *historyOf(path: number): Generator<Change, void, void> {
    for (
      let change = this.#paths.get(path, PATH.change);
      change !== NONE;
      change = this.#changes.get(change, CHANGE.previous)
    )
      yield this.#changeAt(change);
  }

  /** The layer that gave a path its node. */
  layerOf(path: number): number {
    const change = this.#paths.get(path, PATH.change);
    return change === NONE ? 0 : this.#changes.get(change, CHANGE.layer);
  }

  /** Paths that layers have had: their numbers are smaller. */
  get paths(): number {
    return this.#paths.length;
  }

  #applyOne(path: string, link: string, numbers: Float64Array, row: number): void {
    const op = SCANNED_OPS[numbers[row + SCANNED.op]!]!;
    const slash = path.lastIndexOf('/');
    const parent = slash < 0 ? '' : path.slice(0, slash);
    const name = path.slice(slash + 1);
    switch (op) {
      case 'whiteout':
        this.#whiteout(parent, name);
        return;
      case 'opaque': {
        const directory = this.#walker.open(path, 'create');
        this.#budget.free(() => this.#prune(directory, false));
        return;
      }
      case 'hardlink': {
        checkName(name);
        this.#link(this.#walker.open(parent, 'create'), name, link);
        return;
      }
      default: {
        const node = this.nodes.add(op, this.#layer, numbers, row, link);
        if (path === '') {
          this.#change(ROOT, node);
          return;
        }
        checkName(name);
        this.nodes.setOwnPath(node, this.#place(this.#walker.open(parent, 'create'), name, node));
      }
    }
  }

  #openPaths(): Paths {
    const parentOf = (directory: number) => this.parentOf(directory);
    return new Paths({ root: ROOT, parentOf }, this.#budget, (directory, name, missing) =>
      this.#step(directory, name, missing),
    );
  }

  /** @returns the directory, the target of a symlink, or NONE when the name does not exist */
  #step(directory: number, name: string, missing: Missing): number | string {
    checkName(name);
    const path = this.find(directory, name);
    const node = path === NONE ? NONE : this.nodeOf(path);
    if (node !== NONE) {
      const type = this.nodes.typeOf(node);
      if (type === 'directory') return path;
      if (type === 'symlink') return this.nodes.targetOf(node);
      if (missing !== 'create') return NONE;
      if (this.#isMade(path)) throw inTheWay(this.textOf(path));
    }
    if (missing !== 'create') return NONE;
    const implicit = this.nodes.addImplicit(this.#layer);
    const created = this.#name(directory, name, implicit);
    this.nodes.setOwnPath(implicit, created);
    return created;
  }

  /** Gives a name to a node. It replaces what has the name, except that a directory keeps what an existing one holds. */
  #place(directory: number, name: string, node: number): number {
    const path = this.find(directory, name);
    const existing = path === NONE ? NONE : this.nodeOf(path);
    if (existing !== NONE && !(this.nodes.isDirectory(existing) && this.nodes.isDirectory(node)))
      this.#removeBelow(path, existing);
    return this.#name(directory, name, node);
  }

  #link(directory: number, name: string, target: string): void {
    const slash = target.lastIndexOf('/');
    const from = this.#walker.open(slash < 0 ? '' : target.slice(0, slash), 'create-if-in-lowers');
    const found = from === NONE || target === '' ? NONE : this.find(from, target.slice(slash + 1));
    const node = found === NONE ? NONE : this.nodeOf(found);
    if (target === '' || (node !== NONE && this.nodes.isDirectory(node))) throw linksToDirectory(target);
    if (node === NONE) throw missesTarget(target);
    const path = this.find(directory, name);
    const existing = path === NONE ? NONE : this.nodeOf(path);
    if (existing !== NONE && this.nodes.isDirectory(existing) && this.#isBelow(from, path))
      throw replacesItsTarget(target);
    if (existing !== NONE && existing !== node) this.#removeBelow(path, existing);
    this.#name(directory, name, node);
  }

  /** Removes what lower layers have at a path. */
  #whiteout(parent: string, name: string): void {
    checkName(name);
    const directory = this.#walker.open(parent, 'create-if-in-lowers');
    const path = directory === NONE ? NONE : this.find(directory, name);
    const node = path === NONE ? NONE : this.nodeOf(path);
    if (node === NONE) return;
    if (this.nodes.isDirectory(node)) this.#budget.free(() => this.#prune(path, true));
    else if (!this.#isMade(path)) this.#vanish(path, node);
  }

  /** Whether an entry of this layer made what is at the path. */
  #isMade(path: number): boolean {
    const change = this.#paths.get(path, PATH.change);
    if (change === NONE || this.#changes.get(change, CHANGE.layer) !== this.#layer) return false;
    const after = this.#changes.get(change, CHANGE.after);
    return after !== NONE && !this.nodes.isImplicit(after);
  }

  #isBelow(directory: number, above: number): boolean {
    for (let at = directory; ; at = this.parentOf(at)) {
      if (at === above) return true;
      if (at === ROOT) return false;
      this.#budget.charge();
    }
  }

  /**
   * Removes what lower layers have in a directory. It keeps what this layer made, and the directories that lead to it.
   *
   * @param withItself removes the directory, too, when it holds nothing that stays
   */
  #prune(top: number, withItself: boolean): void {
    const open: { readonly path: number; readonly children: number[] }[] = [];
    const enter = (path: number) => {
      // A directory that was cleared in this layer holds nothing of lower layers: it is walked once, and stays.
      if (this.#paths.get(path, PATH.cleared) === this.#layer + 1) return;
      this.#paths.set(path, PATH.cleared, this.#layer + 1);
      open.push({ path, children: [...this.childrenOf(path)] });
    };
    enter(top);
    for (let level = open.at(-1); level !== undefined; level = open.at(-1)) {
      this.#budget.charge();
      const child = level.children.pop();
      if (child !== undefined) {
        const node = this.nodeOf(child);
        if (node === NONE) continue;
        if (this.nodes.isDirectory(node)) enter(child);
        else if (!this.#isMade(child)) this.#vanish(child, node);
        continue;
      }
      open.pop();
      const { path } = level;
      if ((path === top && !withItself) || this.#isMade(path) || this.#holdsAny(path)) continue;
      this.#vanish(path, this.nodeOf(path));
    }
    this.#walker.forget();
  }

  #holdsAny(directory: number): boolean {
    for (const child of this.childrenOf(directory)) {
      this.#budget.charge();
      if (this.nodeOf(child) !== NONE) return true;
    }
    return false;
  }

  /** Removes all that a directory holds, entries of this layer included. */
  #removeBelow(path: number, node: number): void {
    if (!this.nodes.isDirectory(node)) return;
    const directories = [path];
    this.#budget.free(() => {
      for (let directory = directories.pop(); directory !== undefined; directory = directories.pop())
        for (const child of this.childrenOf(directory)) {
          this.#budget.charge();
          const below = this.nodeOf(child);
          if (below === NONE) continue;
          if (this.nodes.isDirectory(below)) directories.push(child);
          this.#vanish(child, below);
        }
    });
  }

  #vanish(path: number, node: number): void {
    if (this.nodes.typeOf(node) === 'symlink' || this.nodes.isDirectory(node)) this.#walker.forget();
    this.#change(path, NONE);
  }

  /** Gives a name to a node, in place of the one that had it. @returns its path */
  #name(directory: number, name: string, node: number): number {
    let path = this.find(directory, name);
    if (path === NONE) {
      const added = this.#names.add(directory, name, NONE);
      this.#names.records.set(added, NAME.next, this.#paths.get(directory, PATH.first));
      this.#paths.set(directory, PATH.first, added);
      path = added + 1;
      this.#addPath();
    } else {
      const existing = this.nodeOf(path);
      // Paths may have led through it, or through the directory that a symlink replaces.
      if (existing !== NONE && this.nodes.typeOf(existing) !== 'file') this.#walker.forget();
    }
    this.#change(path, node);
    return path;
  }

  /** Gives a path another node, or none. A layer has one change for each path. */
  #change(path: number, after: number): void {
    const before = this.nodeOf(path);
    if (before !== NONE) {
      this.nodes.countName(before, -1);
      if (after === NONE || !this.nodes.isDirectory(after)) this.#paths.set(path, PATH.cleared, 0);
    }
    if (after !== NONE) this.nodes.countName(after, 1);
    if (path === ROOT) this.#rootNode = after;
    else this.#names.records.set(path - 1, NAME.inode, after);
    const last = this.#paths.get(path, PATH.change);
    if (last !== NONE && this.#changes.get(last, CHANGE.layer) === this.#layer) {
      this.#changes.set(last, CHANGE.after, after);
      return;
    }
    this.#keep(CHANGE_WORDS * 4);
    const change = this.#changes.add();
    this.#changes.set(change, CHANGE.path, path);
    this.#changes.set(change, CHANGE.layer, this.#layer);
    this.#changes.set(change, CHANGE.before, before);
    this.#changes.set(change, CHANGE.after, after);
    this.#changes.set(change, CHANGE.previous, last);
    this.#paths.set(path, PATH.change, change);
  }

  get #layer(): number {
    return this.#starts.length - 1;
  }

  #changeAt(change: number): Change {
    const changes = this.#changes;
    return {
      path: changes.get(change, CHANGE.path),
      layer: changes.get(change, CHANGE.layer),
      before: changes.get(change, CHANGE.before),
      after: changes.get(change, CHANGE.after),
    };
  }

  #keep(bytes: number): void {
    this.#kept += bytes;
    const { maxMemory } = this.#limits;
    if (this.#kept > maxMemory)
      throw limitError('maxMemory', maxMemory, { entry: this.#entry?.path, offset: this.#entry?.offset });
  }

  #addPath(): void {
    this.#keep(PATH_WORDS * 4);
    const path = this.#paths.add();
    this.#paths.set(path, PATH.first, NONE);
    this.#paths.set(path, PATH.change, NONE);
  }
}

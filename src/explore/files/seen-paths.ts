import { decodePath, encodePath } from '../../base/path-bytes.js';
import { NameTable } from '../../erofs/name-table.js';
import { Arena, LENGTH_BYTES, NAME, NONE } from '../../erofs/records.js';
import { checkName } from '../../layer/erofs/paths.js';
import type { Operation, Placed } from '../../layer/plan/operation.js';

/**
 * What a name hides of lower layers: entries with the same name, by their type, and all that is below it. `isThere` marks a
 * directory that layers list nothing of but what is in it.
 */
const HIDES = { directory: 1, symlink: 2, other: 4, below: 8, isThere: 16 } as const;
const HIDES_NAME = HIDES.directory | HIDES.symlink | HIDES.other;
const HIDES_ALL = HIDES_NAME | HIDES.below;
const HIDE_BITS = 5;
const HIDE_MASK: number = (1 << HIDE_BITS) - 1;

/**
 * Words of a name. `hides` has three parts: what layers above the last one hide that had the name, what that layer hides,
 * and its number plus 1. `entry` has the operation plus 1 and the layer of the entry that counts; 0 without one. `link` is the
 * place of its target.
 */
const SEEN = { hides: NAME.inode, entry: NAME.previous, link: NAME.next } as const;
const OP_BITS = 4;

type ListedOp = Exclude<Operation['op'], 'whiteout' | 'opaque'>;
type Listed = Extract<Operation, { readonly op: ListedOp }>;

const OPS: readonly ListedOp[] = [
  'file',
  'directory',
  'symlink',
  'hardlink',
  'character-device',
  'block-device',
  'fifo',
];

const ROOT = 0;

/** Whether an entry is in the merged tree: as the first of its layer with that path, or as a later one, which replaces it. */
export type Seen = 'hidden' | 'first' | 'again';

/** An entry of the merged tree. */
export interface SeenEntry {
  readonly op: ListedOp;
  readonly layer: number;
  /** Target of a symlink or hard link, else ''. */
  readonly link: string;
}

/**
 * The paths of an image whose layers are read from the top: it tells which entries of lower layers are hidden. A path counts
 * as its layer lists it, also where it leads through a symlink.
 *
 * A name takes about 40 bytes beside its text. Entries below a hidden directory take none.
 */
export class SeenPaths {
  /** The number of the root. */
  readonly root: number = ROOT;
  readonly #arena = new Arena();
  readonly #names: NameTable;
  readonly #keep: (bytes: number) => void;
  #layer = 0;
  /** The parent of the last entry, and its name; NONE when it is hidden. */
  #lastParent: string | undefined;
  #lastPlace = NONE;

  /** @param keep called with bytes of memory that are used. It may throw */
  constructor(keep: (bytes: number) => void) {
    this.#keep = keep;
    this.#names = new NameTable(this.#arena, keep);
    this.#names.add(NONE, '', NONE);
    this.#names.records.set(ROOT, SEEN.hides, 0);
  }

  /** Begins the next lower layer. */
  beginLayer(layer: number): void {
    this.#layer = layer;
    this.#lastParent = undefined;
  }

  /** Adds the next operation of the layer. Whiteouts and opaque marks are hidden themselves. */
  add(operation: Operation): Seen {
    switch (operation.op) {
      case 'whiteout':
        this.#whiteout(operation);
        return 'hidden';
      case 'opaque': {
        const directory = this.#open(operation.path, true);
        if (directory !== NONE) this.#hide(directory, HIDES.other | HIDES.below);
        return 'hidden';
      }
      default:
        return this.#list(operation);
    }
  }

  /** Whether no entry of a lower layer can be in the merged tree. */
  get isComplete(): boolean {
    return (this.#hides(ROOT) & HIDES.below) !== 0;
  }

  /** The entry with a path, of the layers so far. Symlinks are not followed. */
  entryAt(path: string): SeenEntry | undefined {
    let entry: SeenEntry | undefined;
    let name: number = ROOT;
    for (const text of path.split('/')) {
      if (entry !== undefined && entry.op !== 'directory') return undefined;
      name = this.#names.find(name, text);
      if (name === NONE) return undefined;
      entry = this.#entry(name);
    }
    return entry;
  }

  /** Whether a file with this path in a lower layer is hidden. */
  hidesFile(path: string): boolean {
    let name: number = ROOT;
    for (const text of path.split('/')) {
      if (this.#hides(name) & HIDES.below) return true;
      name = this.#names.find(name, text);
      if (name === NONE) return false;
    }
    return (this.#hides(name) & HIDES.other) !== 0;
  }

  /**
   * Looks a name up in a directory, of which the layers so far may not tell all.
   *
   * @returns the name's number, and its entry if a layer has listed it; `absent` when it was removed; `unknown` when lower
   *   layers decide
   */
  lookUp(
    directory: number,
    text: string,
  ): { readonly name: number; readonly entry: SeenEntry | undefined } | 'absent' | 'unknown' {
    const name = this.#names.find(directory, text);
    if (name !== NONE) {
      const entry = this.#entry(name);
      const hides = this.#hides(name);
      if (entry !== undefined || hides & HIDES.isThere) return { name, entry };
      if (hides & HIDES.directory) return 'absent';
    }
    for (let at = directory; ; at = this.parentOf(at)) {
      if (this.#hides(at) & HIDES.below) return 'absent';
      if (at === ROOT) return 'unknown';
    }
  }

  /** The directory of a name. That of the root is the root. */
  parentOf(name: number): number {
    return name === ROOT ? ROOT : this.#names.records.get(name, NAME.parent);
  }

  #list(operation: Listed): Seen {
    const { op, path, name: text } = operation;
    if (path === '') return 'hidden'; // the root is not listed
    const directory = this.#parent(operation);
    if (directory === NONE) return 'hidden';
    const name = this.#name(directory, text);
    const hidesOp = op === 'directory' || op === 'symlink' ? HIDES[op] : HIDES.other;
    const isHidden = (this.#hidesBefore(name) & hidesOp) !== 0;
    const isAgain = this.#entry(name)?.layer === this.#layer;
    if (op === 'hardlink' && operation.linkPath === path && isAgain) return 'hidden'; // it changes nothing
    this.#hide(name, op === 'directory' ? HIDES_NAME : HIDES_ALL);
    if (isHidden) return 'hidden';
    const names = this.#names.records;
    names.set(name, SEEN.entry, (this.#layer << OP_BITS) | (OPS.indexOf(op) + 1));
    names.set(name, SEEN.link, this.#keepLink(operation));
    return isAgain ? 'again' : 'first';
  }

  #keepLink(operation: Listed): number {
    const { op } = operation;
    if (op !== 'symlink' && op !== 'hardlink') return NONE;
    const bytes = encodePath(op === 'hardlink' ? operation.linkPath : operation.entry.linkPath);
    this.#keep(LENGTH_BYTES + bytes.length);
    return this.#arena.store(bytes);
  }

  #whiteout({ parent, name: text }: Placed): void {
    const directory = this.#open(parent, false);
    if (directory === NONE) return;
    checkName(text);
    const name = this.#name(directory, text);
    // A directory in which the layer itself has entries stays, with the attributes of a lower layer.
    const isKept = (this.#hidesHere(name) & HIDES.isThere) !== 0;
    this.#hide(name, isKept ? HIDES_ALL & ~HIDES.directory : HIDES_ALL);
  }

  /** The directory of an entry, to which it belongs. @returns NONE when higher layers hide all that it holds */
  #parent({ parent, name }: Placed): number {
    checkName(name);
    if (parent !== this.#lastParent) {
      this.#lastPlace = this.#open(parent, true);
      this.#lastParent = parent;
    }
    return this.#lastPlace;
  }

  /** @param isListed entries in it make the directory */
  #open(path: string, isListed: boolean): number {
    let name: number = ROOT;
    if (this.#hidesBefore(ROOT) & HIDES.below) return NONE;
    if (path === '') return ROOT;
    for (const text of path.split('/')) {
      checkName(text);
      name = this.#name(name, text);
      if (this.#hidesBefore(name) & HIDES.below) return NONE;
      if (isListed) this.#hide(name, HIDES.other | HIDES.isThere);
    }
    return name;
  }

  #name(directory: number, text: string): number {
    const found = this.#names.find(directory, text);
    if (found !== NONE) return found;
    const added = this.#names.add(directory, text, NONE);
    this.#names.records.set(added, SEEN.hides, 0);
    return added;
  }

  #entry(name: number): SeenEntry | undefined {
    const names = this.#names.records;
    const entry = names.get(name, SEEN.entry);
    if (entry === 0) return undefined;
    const op = OPS[(entry & ((1 << OP_BITS) - 1)) - 1]!;
    const link = names.get(name, SEEN.link);
    return {
      op,
      layer: entry >> OP_BITS,
      link: op === 'symlink' || op === 'hardlink' ? decodePath(this.#arena.piece(link)) : '',
    };
  }

  /** What the layers so far hide. */
  #hides(name: number): number {
    const word = this.#names.records.get(name, SEEN.hides);
    return (word | (word >> HIDE_BITS)) & HIDE_MASK;
  }

  /** What layers above this one hide. */
  #hidesBefore(name: number): number {
    const word = this.#names.records.get(name, SEEN.hides);
    return word >> (2 * HIDE_BITS) === this.#layer + 1 ? word & HIDE_MASK : this.#hides(name);
  }

  /** What this layer hides. */
  #hidesHere(name: number): number {
    const word = this.#names.records.get(name, SEEN.hides);
    return word >> (2 * HIDE_BITS) === this.#layer + 1 ? (word >> HIDE_BITS) & HIDE_MASK : 0;
  }

  #hide(name: number, hides: number): void {
    const here = this.#hidesHere(name) | hides;
    const word = this.#hidesBefore(name) | (here << HIDE_BITS) | ((this.#layer + 1) << (2 * HIDE_BITS));
    this.#names.records.set(name, SEEN.hides, word);
  }
}

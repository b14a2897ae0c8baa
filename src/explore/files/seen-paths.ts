import { decodePath, encodePath } from '../../base/path-bytes.js';
import { NameTable } from '../../erofs/name-table.js';
import { Arena, LENGTH_BYTES, NAME, NONE } from '../../erofs/records.js';
import { checkName } from '../../layer/erofs/paths.js';
import type { Operation } from '../../layer/plan/operation.js';

/**
 * Marks of a name. `name`: what lower layers have at it is hidden. `below`: what they have below it is hidden. `directory`: the
 * layer that is read has a directory there.
 */
const MARK = { name: 1, below: 2, directory: 4 } as const;
const MARK_BITS = 3;
const HIDES: number = MARK.name | MARK.below;

/**
 * Words of a name. `marks` has three parts: those of the layers above the last one that had the name, those of that layer, and
 * its number plus 1. `entry` has the operation plus 1 and the layer of the entry that counts; 0 without one. `link` is the
 * place of its target.
 */
const SEEN = { marks: NAME.inode, entry: NAME.previous, link: NAME.next } as const;
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

/**
 * Whether an operation puts something into the merged tree: for the first time in its layer, or in place of an earlier entry of
 * its layer (`again`). `unsure` if that depends on lower layers or on the rest of the layer.
 */
export type Seen = 'hidden' | 'first' | 'again' | 'unsure';

/** An entry of the merged tree. */
interface SeenEntry {
  readonly op: ListedOp;
  readonly layer: number;
  /** Target of a symlink. Of a hard link: the path of the file in the same layer. Else ''. */
  readonly link: string;
}

/**
 * The paths of an image whose layers are read from the top: it tells which entries of lower layers are hidden.
 *
 * A path may lead through a symlink of a lower layer, unless the layer lists the directories that lead to it. Writers of layers
 * do list them. Where one does not, the operation is `unsure`, and the layers have to be applied from the lowest up
 * (`ImageTree`). The same holds for hard links to files that are not in the merged tree under their own path.
 *
 * A name takes about 40 bytes beside its text. Files in hidden directories take none.
 */
export class SeenPaths {
  /** The number of the root. */
  readonly root: number = ROOT;
  readonly #arena = new Arena();
  readonly #names: NameTable;
  readonly #keep: (bytes: number) => void;
  #layer = 0;
  #hasLinks = false;
  #hasReplaced = false;
  /** The directory that was opened last: its number, NONE if lower layers decide what it is. */
  #openPath: string | undefined;
  #open = NONE;
  /** Whether layers above this one hide all that the directory holds. */
  #isOpenHidden = false;

  /** @param keep called with bytes of memory that are used. It may throw */
  constructor(keep: (bytes: number) => void) {
    this.#keep = keep;
    this.#names = new NameTable(this.#arena, keep);
    this.#names.add(NONE, '', NONE);
    this.#names.records.set(ROOT, SEEN.marks, 0);
  }

  /** Begins the next lower layer. The lowest has the number 0. */
  beginLayer(layer: number): void {
    this.#layer = layer;
    this.#hasLinks = false;
    this.#hasReplaced = false;
    this.#openPath = undefined;
  }

  /** Adds the next operation of the layer. No operation follows one that is `unsure`. */
  add(operation: Operation): Seen {
    const { op, path, parent, name } = operation;
    if (op !== 'whiteout' && op !== 'opaque') return path === '' ? 'hidden' : this.#list(operation);
    if (this.#layer === 0) return 'hidden'; // there is nothing below
    this.#openDirectory(op === 'opaque' ? path : parent);
    if (this.#open === NONE) return 'unsure';
    if (this.#isOpenHidden) return 'hidden';
    if (op === 'opaque') this.#mark(this.#open, MARK.below);
    else this.#mark(this.#name(this.#open, name), HIDES);
    return 'hidden';
  }

  /** Whether no entry of a lower layer can be in the merged tree. */
  get isComplete(): boolean {
    return (this.#hides(ROOT) & MARK.below) !== 0;
  }

  /**
   * Looks a name up in a directory, of which the layers so far may not tell all.
   *
   * @returns the name's number and its entry, which is undefined for a directory that no layer lists; `absent` when it was
   *   removed; `unknown` when lower layers decide
   */
  lookUp(
    directory: number,
    text: string,
  ): { readonly name: number; readonly entry: SeenEntry | undefined } | 'absent' | 'unknown' {
    const name = this.#names.find(directory, text);
    if (name !== NONE) {
      const entry = this.#entry(name);
      return entry === undefined && this.#hides(name) & MARK.name ? 'absent' : { name, entry };
    }
    for (let at = directory; ; at = this.#names.records.get(at, NAME.parent)) {
      if (this.#hides(at) & MARK.below) return 'absent';
      if (at === ROOT) return 'unknown';
    }
  }

  #list(operation: Listed): Seen {
    const { op, parent, name: text } = operation;
    this.#openDirectory(parent);
    if (this.#open === NONE) return 'unsure';
    if (this.#isOpenHidden && op === 'file') return 'hidden';
    const name = this.#name(this.#open, text);
    const isHidden = this.#isOpenHidden || (this.#marksBefore(name) & MARK.name) !== 0;
    const isDirectory = op === 'directory';
    if (!isDirectory && this.#marksHere(name) & MARK.directory) return 'unsure'; // what it held goes, too
    const listed = this.#entry(name);
    const isAgain = !isHidden && listed?.layer === this.#layer;
    const link = isHidden ? '' : this.#linkOf(operation);
    if (link === undefined) return 'unsure';
    if (op === 'hardlink' && link === operation.path) return 'hidden'; // it changes nothing
    this.#hasLinks ||= op === 'hardlink' && !isHidden;
    this.#hasReplaced ||= isAgain && listed.op !== 'directory';
    if (this.#hasLinks && this.#hasReplaced) return 'unsure'; // the link may be to the file that was replaced
    this.#mark(name, isDirectory ? MARK.name | MARK.directory : HIDES);
    if (isHidden) return 'hidden';
    const names = this.#names.records;
    names.set(name, SEEN.entry, (this.#layer << OP_BITS) | (OPS.indexOf(op) + 1));
    names.set(name, SEEN.link, link === '' ? NONE : this.#store(link));
    return isAgain ? 'again' : 'first';
  }

  /** @returns the link of an entry (see `SeenEntry`); undefined for a hard link to what is not in the merged tree */
  #linkOf(operation: Listed): string | undefined {
    if (operation.op === 'symlink') return operation.entry.linkPath;
    if (operation.op !== 'hardlink') return '';
    const { linkPath } = operation;
    let name: number = ROOT;
    for (const text of linkPath.split('/')) {
      if (name !== ROOT && (this.#marksHere(name) & MARK.directory) === 0) return undefined;
      name = this.#names.find(name, text);
      if (name === NONE) return undefined;
    }
    const target = this.#entry(name);
    if (target?.layer !== this.#layer || target.op === 'directory') return undefined;
    return target.op === 'hardlink' ? target.link : linkPath;
  }

  #store(link: string): number {
    const bytes = encodePath(link);
    this.#keep(LENGTH_BYTES + bytes.length);
    return this.#arena.store(bytes);
  }

  /** Opens a directory of the layer. Consecutive files have the same one. */
  #openDirectory(path: string): void {
    if (path === this.#openPath) return;
    this.#openPath = path;
    this.#open = ROOT;
    this.#isOpenHidden = (this.#marksBefore(ROOT) & MARK.below) !== 0;
    if (path === '') return;
    for (const text of path.split('/')) {
      const found = this.#names.find(this.#open, text);
      const here = found === NONE ? 0 : this.#marksHere(found);
      // A directory that is not listed may be a symlink of a lower layer.
      const isImplicit = here === 0 && this.#layer === 0;
      if ((here & MARK.directory) === 0 && !isImplicit) {
        this.#open = NONE;
        return;
      }
      this.#open = isImplicit ? this.#name(this.#open, text) : found;
      if (isImplicit)
        this.#mark(this.#open, this.#isOpenHidden ? MARK.name | MARK.directory : MARK.directory);
      this.#isOpenHidden ||= (this.#marksBefore(this.#open) & MARK.below) !== 0;
    }
  }

  #name(directory: number, text: string): number {
    checkName(text);
    const found = this.#names.find(directory, text);
    if (found !== NONE) return found;
    const added = this.#names.add(directory, text, NONE);
    this.#names.records.set(added, SEEN.marks, 0);
    return added;
  }

  #entry(name: number): SeenEntry | undefined {
    const names = this.#names.records;
    const entry = names.get(name, SEEN.entry);
    if (entry === 0) return undefined;
    const op = OPS[(entry & ((1 << OP_BITS) - 1)) - 1]!;
    const link = names.get(name, SEEN.link);
    return { op, layer: entry >> OP_BITS, link: link === NONE ? '' : decodePath(this.#arena.piece(link)) };
  }

  /** What the layers so far hide. */
  #hides(name: number): number {
    const word = this.#names.records.get(name, SEEN.marks);
    return (word | (word >> MARK_BITS)) & HIDES;
  }

  /** What layers above this one hide. */
  #marksBefore(name: number): number {
    const word = this.#names.records.get(name, SEEN.marks);
    return word >> (2 * MARK_BITS) === this.#layer + 1 ? word & HIDES : this.#hides(name);
  }

  #marksHere(name: number): number {
    const word = this.#names.records.get(name, SEEN.marks);
    return word >> (2 * MARK_BITS) === this.#layer + 1 ? (word >> MARK_BITS) & (HIDES | MARK.directory) : 0;
  }

  #mark(name: number, marks: number): void {
    const here = this.#marksHere(name) | marks;
    const word = this.#marksBefore(name) | (here << MARK_BITS) | ((this.#layer + 1) << (2 * MARK_BITS));
    this.#names.records.set(name, SEEN.marks, word);
  }
}

import { decodePath, encodePath } from '../base/path-bytes.js';
import { MODE, TYPE_MODES } from '../erofs/format.js';
import { type Arena, LENGTH_BYTES, Records } from '../erofs/records.js';
import { SCANNED } from '../layer/scanned-entries.js';
import type { EntryType } from '../tar/types.js';

/** Words of a node: what a layer's entry makes. Numbers of more than 32 bits take two. */
const NODE = {
  /** Type and permissions, as in `st_mode`, and `IMPLICIT`. */
  mode: 0,
  uid: 1,
  gid: 2,
  sizeLow: 3,
  sizeHigh: 4,
  mtimeLow: 5,
  mtimeHigh: 6,
  contentLow: 7,
  contentHigh: 8,
  xattrs: 9,
  /** A symlink: the place of its target. A device: its number. */
  target: 10,
  /** The layer whose entry made it. */
  layer: 11,
  /** Its names in the tree. */
  names: 12,
  /** The path that stands for the node: that of its entry, or else the first one that still has it. */
  path: 13,
} as const;
const NODE_WORDS = 14;
const ATTRIBUTES = [NODE.mode, NODE.uid, NODE.gid, NODE.mtimeLow, NODE.mtimeHigh, NODE.xattrs] as const;

/** A directory that no entry lists. */
const IMPLICIT = 0x10000;

const TYPES = new Map<number, EntryType>(
  Object.entries(TYPE_MODES).map(([type, mode]) => [mode, type as EntryType]),
);

/** What the entries of layers make: files, directories and others, without their names. A node is a number. */
export class NodeTable {
  readonly #nodes = new Records(NODE_WORDS);
  /** The first node of each layer. */
  readonly #firsts: number[] = [];
  readonly #arena: Arena;
  readonly #keep: (bytes: number) => void;

  /** @param arena for the targets of symlinks @param keep called with the bytes that a node takes. It may throw */
  constructor(arena: Arena, keep: (bytes: number) => void) {
    this.#arena = arena;
    this.#keep = keep;
  }

  /** Nodes that were ever made: their numbers are smaller. */
  get length(): number {
    return this.#nodes.length;
  }

  typeOf(node: number): EntryType {
    return TYPES.get(this.#nodes.get(node, NODE.mode) & MODE.type)!;
  }

  isDirectory(node: number): boolean {
    return (this.#nodes.get(node, NODE.mode) & MODE.type) === MODE.directory;
  }

  /** Permission bits: 0 to 0o7777. */
  modeOf(node: number): number {
    return this.#nodes.get(node, NODE.mode) & 0o7777;
  }

  ownerOf(node: number): { readonly uid: number; readonly gid: number } {
    return { uid: this.#nodes.get(node, NODE.uid) >>> 0, gid: this.#nodes.get(node, NODE.gid) >>> 0 };
  }

  /** Bytes of a file; 0 for other types. */
  sizeOf(node: number): number {
    return this.#nodes.get(node, NODE.sizeHigh) * 2 ** 32 + (this.#nodes.get(node, NODE.sizeLow) >>> 0);
  }

  mtimeOf(node: number): number {
    return this.#nodes.get(node, NODE.mtimeHigh) * 2 ** 32 + (this.#nodes.get(node, NODE.mtimeLow) >>> 0);
  }

  /** The fingerprint of a file's content. */
  contentOf(node: number): number {
    return this.#nodes.get(node, NODE.contentHigh) * 2 ** 32 + (this.#nodes.get(node, NODE.contentLow) >>> 0);
  }

  /** The target of a symlink; '' for other types. */
  targetOf(node: number): string {
    return this.typeOf(node) === 'symlink'
      ? decodePath(this.#arena.piece(this.#nodes.get(node, NODE.target)))
      : '';
  }

  /** The layer whose entry made a node. */
  madeBy(node: number): number {
    return this.#nodes.get(node, NODE.layer);
  }

  /**
   * The nodes that the entries of a layer made, in the order of the entries. Hard links, whiteouts and opaque marks make none,
   * and the root is one of them.
   */
  *entriesOf(layer: number): Generator<number, void, void> {
    const end = this.#firsts[layer + 1] ?? this.length;
    for (let node = this.#firsts[layer] ?? end; node < end; node++) if (!this.isImplicit(node)) yield node;
  }

  /** How many names a node has in the tree. */
  namesOf(node: number): number {
    return this.#nodes.get(node, NODE.names);
  }

  /** The path that stands for a node with several names: that of its entry, unless `setOwnPath` has changed it. */
  ownPathOf(node: number): number {
    return this.#nodes.get(node, NODE.path);
  }

  setOwnPath(node: number, path: number): void {
    this.#nodes.set(node, NODE.path, path);
  }

  /** Whether a node of another table, or of this one, has the same type and content: bytes, target or device. */
  hasSameContent(node: number, other: number, of: NodeTable = this): boolean {
    return (
      this.typeOf(node) === of.typeOf(other) &&
      this.sizeOf(node) === of.sizeOf(other) &&
      this.contentOf(node) === of.contentOf(other) &&
      (this.typeOf(node) === 'symlink'
        ? this.targetOf(node) === of.targetOf(other)
        : this.#nodes.get(node, NODE.target) === of.#nodes.get(other, NODE.target))
    );
  }

  /** Whether it has the same permissions, owner, time and extended attributes. */
  hasSameAttributes(node: number, other: number, of: NodeTable = this): boolean {
    return ATTRIBUTES.every((word) => this.#nodes.get(node, word) === of.#nodes.get(other, word));
  }

  /** Adds a directory that no entry lists. */
  addImplicit(layer: number): number {
    return this.#add(MODE.directory | 0o755 | IMPLICIT, layer);
  }

  isImplicit(node: number): boolean {
    return (this.#nodes.get(node, NODE.mode) & IMPLICIT) !== 0;
  }

  /** Adds what an entry makes. @param numbers with the entry's row of `ScannedEntries` at `row` @param target of a symlink */
  add(
    type: keyof typeof TYPE_MODES,
    layer: number,
    numbers: Float64Array,
    row: number,
    target: string,
  ): number {
    const nodes = this.#nodes;
    const node = this.#add(TYPE_MODES[type] | numbers[row + SCANNED.mode]!, layer);
    nodes.set(node, NODE.uid, numbers[row + SCANNED.uid]!);
    nodes.set(node, NODE.gid, numbers[row + SCANNED.gid]!);
    setLong(nodes, node, NODE.sizeLow, numbers[row + SCANNED.size]!);
    setLong(nodes, node, NODE.mtimeLow, numbers[row + SCANNED.mtimeSec]!);
    setLong(nodes, node, NODE.contentLow, numbers[row + SCANNED.content]!);
    nodes.set(node, NODE.xattrs, numbers[row + SCANNED.xattrs]!);
    if (type === 'symlink') {
      const bytes = encodePath(target);
      this.#keep(LENGTH_BYTES + bytes.length);
      nodes.set(node, NODE.target, this.#arena.store(bytes));
    } else if (type === 'character-device' || type === 'block-device')
      nodes.set(
        node,
        NODE.target,
        (numbers[row + SCANNED.devMajor]! << 20) | numbers[row + SCANNED.devMinor]!,
      );
    return node;
  }

  /** A path got the node, or lost it. */
  countName(node: number, change: 1 | -1): void {
    this.#nodes.set(node, NODE.names, this.namesOf(node) + change);
  }

  #add(mode: number, layer: number): number {
    this.#keep(NODE_WORDS * 4);
    const node = this.#nodes.add();
    while (this.#firsts.length <= layer) this.#firsts.push(node);
    this.#nodes.set(node, NODE.mode, mode);
    this.#nodes.set(node, NODE.layer, layer);
    return node;
  }
}

/** Sets a word and the next: the lower and the higher 32 bits. */
function setLong(records: Records, record: number, word: number, value: number): void {
  records.set(record, word, value % 2 ** 32);
  records.set(record, word + 1, Math.floor(value / 2 ** 32));
}

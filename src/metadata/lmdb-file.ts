import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { endianness } from 'node:os';

const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const BRANCH = 0x01;
const LEAF = 0x02;
const OVERFLOW = 0x04;
const META = 0x08;
/** Flags of the two databases: the free list, which also has the flags of the file, and the entries. */
const DATABASE_FLAGS = [0x4008, 0];
const PAGE_HEADER = 24;
const NODE_HEADER = 8;
const BIG_DATA = 0x01;
const MAX_TRANSACTION = 0xffff_ffff_ffff_ffffn;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;
const META_BYTES = 168;
const META_PAGES = 2;
/** Largest address space that can be mapped. */
const MOST_BYTES = 2 ** 47;
/** This reader holds no lock, so a writer may reuse its pages. That does not happen this many times in a row by chance. */
const ATTEMPTS = 32;

interface Meta {
  readonly pageSize: number;
  /** The free list and the entries. */
  readonly trees: readonly [free: Tree, entries: Tree];
  readonly lastPage: number;
  readonly transaction: bigint;
}

interface Tree {
  /** Page number of the root; undefined for an empty tree. */
  readonly root: number | undefined;
  readonly depth: number;
}

/**
 * Finds damage in an LMDB file. LMDB maps its file and trusts it: a missing or overwritten page would end the process
 * (SIGBUS, SIGSEGV, an assertion). So all pages in use are checked before LMDB opens the file. It takes 1 ms for 1,000
 * snapshots.
 *
 * @returns the damage, in words; undefined when the file is sound, empty or does not exist
 */
export function findDamage(path: string): string | undefined {
  return inspectFile(path)?.damage;
}

/**
 * Reads entries without LMDB, whose package takes 20 to 30 ms to load. It takes no lock, and writes nothing.
 *
 * @param isWanted tells by the bytes of a key whether the entry is read
 * @returns entries of one transaction, in any order. Undefined when only LMDB can tell: the file is absent, empty,
 * unreadable, damaged or of another machine, or it changes all the time
 */
export function readEntries(
  path: string,
  isWanted: (key: Buffer) => boolean,
): readonly RawEntry[] | undefined {
  try {
    const found = inspectFile(path, isWanted);
    return found?.damage === undefined ? found?.entries : undefined;
  } catch {
    return undefined;
  }
}

/** Gets views of the page's buffer. A large value is read only when it is asked for. */
type OnEntry = (key: Buffer, value: () => Buffer) => void;

interface RawEntry {
  readonly key: Buffer;
  readonly value: Buffer;
}

interface Inspected {
  readonly damage: string | undefined;
  readonly entries?: readonly RawEntry[] | undefined;
}

/** @returns undefined when there is nothing to inspect */
function inspectFile(path: string, isWanted?: (key: Buffer) => boolean): Inspected | undefined {
  // The layout below is the one of 64-bit little-endian machines. Files of others are not checked.
  if (endianness() !== 'LE' || process.arch === 'arm') return undefined;
  const file = openIfThere(path);
  if (file === undefined) return undefined;
  try {
    if (fstatSync(file).size === 0) return undefined;
    let isChanging = false;
    for (let attempt = 1; ; attempt++) {
      const meta = readNewestMeta(file);
      if (typeof meta === 'string') return { damage: meta };
      const entries: RawEntry[] = [];
      const damage = checkTrees(file, meta, isChanging, (key, value) => {
        if (isWanted?.(key)) entries.push({ key: Buffer.from(key), value: Buffer.from(value()) });
      });
      if (damage === undefined && isWanted === undefined) return { damage };
      // A writer reuses a page of this transaction only after the next transaction.
      const now = readNewestMeta(file);
      isChanging = typeof now !== 'string' && now.transaction !== meta.transaction;
      if (!isChanging) return { damage, entries };
      if (attempt === ATTEMPTS) return { damage };
    }
  } finally {
    closeSync(file);
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** LMDB has two meta pages and overwrites the older one. The first has the page size. */
function readNewestMeta(file: number): Meta | string {
  const first = readMeta(file, 0);
  if (typeof first === 'string') return first;
  const second = readMeta(file, first.pageSize);
  if (typeof second === 'string') return second;
  return first.transaction > second.transaction ? first : second;
}

function readMeta(file: number, offset: number): Meta | string {
  const page = Buffer.alloc(META_BYTES);
  if (readSync(file, page, 0, META_BYTES, offset) < META_BYTES) return 'it is cut off';
  if (page.readUInt16LE(18) !== META || page.readUInt32LE(24) !== MAGIC)
    return 'its header is not one of a metadata store';
  if ((page.readUInt32LE(28) & 0xffff) !== DATA_VERSION) return 'its version is unknown';
  const pageSize = page.readUInt32LE(48);
  if (pageSize < 512 || pageSize > 65536 || (pageSize & (pageSize - 1)) !== 0)
    return 'its page size is wrong';
  const trees = [readTree(page, 48), readTree(page, 96)] as const;
  const lastPage = readNumber(page, 144);
  const areRight = [52, 100].every((at, index) => page.readUInt16LE(at) === DATABASE_FLAGS[index]);
  const mapSize = readNumber(page, 40);
  if (
    !areRight ||
    page.readBigUInt64LE(32) !== 0n ||
    (lastPage + 1) * pageSize > mapSize ||
    mapSize > MOST_BYTES
  )
    return 'its header makes no sense';
  return { pageSize, trees, lastPage, transaction: page.readBigUInt64LE(152) };
}

function readTree(page: Buffer, at: number): Tree {
  const isEmpty = page.readBigUInt64LE(at + 40) === NO_PAGE;
  return { root: isEmpty ? undefined : readNumber(page, at + 40), depth: page.readUInt16LE(at + 6) };
}

/** @param isChanging a later transaction may have rewritten or freed pages, which is then no damage */
function checkTrees(file: number, meta: Meta, isChanging: boolean, onEntry: OnEntry): string | undefined {
  const pages = new PageReader(file, isChanging ? { ...meta, transaction: MAX_TRANSACTION } : meta);
  const [free, entries] = meta.trees;
  const used = new Set<number>();
  const lists: Buffer[] = [];
  const damaged =
    checkTree(pages, entries, used, onEntry) ??
    checkTree(pages, free, used, (_, list) => lists.push(Buffer.from(list())));
  if (damaged !== undefined) return `page ${damaged} is damaged`;
  return isChanging || lists.every((list) => isFreeList(list, used, meta.lastPage))
    ? undefined
    : 'its list of free pages makes no sense';
}

/**
 * Checks all pages of a tree. A page that is reached twice counts as damaged, so a cycle of pointers ends.
 *
 * @param used pages in use. Those of the tree are added
 * @returns the number of a damaged page
 */
function checkTree(
  pages: PageReader,
  { root, depth }: Tree,
  used: Set<number>,
  onEntry: OnEntry,
): number | undefined {
  const left = root === undefined ? [] : [{ number: root, level: 1 }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { number, level } = next;
    const page = used.has(number) ? undefined : pages.readTreePage(number);
    const nodes = page && readNodes(page);
    if (nodes === undefined || nodes.isLeaf !== (level === depth)) return number;
    used.add(number);
    for (const { key, value } of nodes.entries) onEntry(key, () => value);
    for (const large of nodes.large) {
      const count = used.has(large.number) ? undefined : pages.countOverflow(large);
      if (count === undefined) return large.number;
      for (let index = 0; index < count; index++) used.add(large.number + index);
      onEntry(large.key, () => pages.readOverflow(large));
    }
    left.push(...nodes.children.map((child) => ({ number: child, level: level + 1 })));
  }
  return undefined;
}

/**
 * Checks a record of the free list: a count, then as many numbers. A positive number is a page. A negative number is
 * the length of the run that begins at the next page. 0 is ignored, and so are bytes after the numbers.
 */
function isFreeList(list: Buffer, used: ReadonlySet<number>, lastPage: number): boolean {
  const count = list.length < 8 ? Infinity : readNumber(list, 0);
  if ((count + 1) * 8 > list.length) return false;
  let pages = 1;
  for (let index = 1; index <= count; index++) {
    const entry = Number(list.readBigInt64LE(index * 8));
    if (entry < 0) pages = -entry;
    else if (entry !== 0) {
      if (entry < META_PAGES || entry + pages - 1 > lastPage) return false;
      for (let page = entry; page < entry + pages; page++) if (used.has(page)) return false;
      pages = 1;
    }
  }
  return true;
}

/** A value that does not fit into a page of the tree. It has overflow pages of its own. */
interface LargeValue {
  readonly key: Buffer;
  readonly number: number;
  readonly bytes: number;
}

class PageReader {
  readonly #file: number;
  readonly #meta: Meta;
  readonly #pages: number;
  readonly #page: Buffer;

  constructor(file: number, meta: Meta) {
    this.#file = file;
    this.#meta = meta;
    this.#page = Buffer.alloc(meta.pageSize);
    this.#pages = Math.min(Math.floor(fstatSync(file).size / meta.pageSize), meta.lastPage + 1);
  }

  /**
   * Reads a page of a tree. The buffer is valid until the next call.
   *
   * @returns undefined when the page does not exist, or a later transaction has written it
   */
  readTreePage(number: number): Buffer | undefined {
    const page = this.#read(number);
    return page && page.readBigUInt64LE(8) <= this.#meta.transaction ? page : undefined;
  }

  /** The number of consecutive overflow pages of a value. The first one has it. @returns undefined when they are damaged */
  countOverflow({ number, bytes }: LargeValue): number | undefined {
    const first = this.#read(number);
    if (first === undefined || first.readUInt16LE(18) !== OVERFLOW) return undefined;
    const count = first.readUInt32LE(20);
    const isEnough = count * this.#meta.pageSize >= PAGE_HEADER + bytes;
    return isEnough && number + count <= this.#pages ? count : undefined;
  }

  readOverflow({ number, bytes }: LargeValue): Buffer {
    const value = Buffer.alloc(bytes);
    readSync(this.#file, value, 0, bytes, number * this.#meta.pageSize + PAGE_HEADER);
    return value;
  }

  /** Reads a page. @returns undefined when it does not exist, or has another number in its header */
  #read(number: number): Buffer | undefined {
    const { pageSize } = this.#meta;
    const page = this.#page;
    if (number < META_PAGES || number >= this.#pages) return undefined;
    if (readSync(this.#file, page, 0, pageSize, number * pageSize) < pageSize) return undefined;
    return readNumber(page, 0) === number ? page : undefined;
  }
}

interface Nodes {
  readonly isLeaf: boolean;
  readonly children: readonly number[];
  /** Views of the page's buffer. */
  readonly entries: readonly RawEntry[];
  /** Their keys are copies: reading their pages overwrites the buffer. */
  readonly large: readonly LargeValue[];
}

/** Parses the nodes of a tree's page. @returns undefined when the page is damaged */
function readNodes(page: Buffer): Nodes | undefined {
  const [flags, lower, upper] = [page.readUInt16LE(18), page.readUInt16LE(20), page.readUInt16LE(22)];
  // Positions in a page count from the end of its header.
  const body = page.subarray(PAGE_HEADER);
  if ((flags !== BRANCH && flags !== LEAF) || lower > upper || upper > body.length) return undefined;
  const isLeaf = flags === LEAF;
  const children: number[] = [];
  const entries: RawEntry[] = [];
  const large: LargeValue[] = [];
  for (let at = 0; at < lower; at += 2) {
    const node = body.readUInt16LE(at);
    if (node < upper || node + NODE_HEADER > body.length) return undefined;
    const [size, nodeFlags] = [body.readUInt32LE(node), body.readUInt16LE(node + 4)];
    const data = node + NODE_HEADER + body.readUInt16LE(node + 6);
    const key = body.subarray(node + NODE_HEADER, data);
    const bytes = !isLeaf ? 0 : nodeFlags === BIG_DATA ? 8 : size;
    if (data + bytes > body.length) return undefined;
    if (!isLeaf) children.push(size + nodeFlags * 2 ** 32);
    else if (nodeFlags === BIG_DATA)
      large.push({ key: Buffer.from(key), number: readNumber(body, data), bytes: size });
    else if (nodeFlags === 0) entries.push({ key, value: body.subarray(data, data + size) });
    else return undefined;
  }
  return { isLeaf, children, entries, large };
}

/** Reads a page number. Numbers of 2^48 and more are Infinity. Bigints would take ten times as long. */
function readNumber(bytes: Buffer, at: number): number {
  return bytes.readUInt16LE(at + 6) === 0 ? bytes.readUIntLE(at, 6) : Infinity;
}

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { endianness } from 'node:os';

const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const BRANCH = 0x01;
const LEAF = 0x02;
const OVERFLOW = 0x04;
const PAGE_HEADER = 24;
const NODE_HEADER = 8;
const BIG_DATA = 0x01;
const NO_PAGE = 0xffff_ffff_ffff;
const META_BYTES = 168;
const META_PAGES = 2;
/** A writer may reuse the pages under a reader that holds no lock; this many times in a row is not chance. */
const ATTEMPTS = 8;

interface Meta {
  readonly pageSize: number;
  /** Of the free list, and of the entries. */
  readonly roots: readonly number[];
  readonly transaction: bigint;
}

/**
 * What is wrong with an LMDB file; undefined when it is sound, empty or not there. LMDB maps its file and trusts
 * it: a page cut off or overwritten would end the process (SIGBUS, SIGSEGV, an assertion), so the pages that can be
 * reached are looked through before LMDB is let at them. It takes 1 ms for 1,000 snapshots.
 */
export function findDamage(path: string): string | undefined {
  // The layout below is that of 64-bit little-endian machines.
  if (endianness() !== 'LE' || process.arch === 'arm') return undefined;
  const file = openIfThere(path);
  if (file === undefined) return undefined;
  try {
    if (fstatSync(file).size === 0) return undefined;
    for (let attempt = 1; ; attempt++) {
      const meta = readNewestMeta(file);
      if (typeof meta === 'string') return meta;
      const damage = checkTrees(file, meta);
      if (damage === undefined) return undefined;
      const now = readNewestMeta(file);
      const changed = typeof now !== 'string' && now.transaction !== meta.transaction;
      if (!changed || attempt === ATTEMPTS) return damage;
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

/** LMDB keeps two meta pages, and writes the older one. It reads the size of a page from the first. */
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
  if (page.readUInt32LE(24) !== MAGIC) return 'its header is not one of a metadata store';
  if ((page.readUInt32LE(28) & 0xffff) !== DATA_VERSION) return 'its version is unknown';
  const pageSize = page.readUInt32LE(48);
  if (pageSize < 512 || pageSize > 65536 || (pageSize & (pageSize - 1)) !== 0)
    return 'its page size is wrong';
  const roots = [readNumber(page, 88), readNumber(page, 136)];
  return { pageSize, roots, transaction: page.readBigUInt64LE(152) };
}

function checkTrees(file: number, meta: Meta): string | undefined {
  const pages = new PageReader(file, meta);
  // A page is never reached twice: a damaged pointer that leads back would go round for ever.
  const seen = new Set<number>();
  const left = meta.roots.filter((root) => root !== NO_PAGE);
  for (let number = left.pop(); number !== undefined; number = left.pop()) {
    const page = seen.has(number) ? undefined : pages.read(number);
    const children = page && pointers(page);
    if (children === undefined) return `page ${number} is damaged`;
    seen.add(number);
    for (const overflow of children.overflow)
      if (!pages.holdsOverflow(overflow)) return `page ${overflow} is damaged`;
    left.push(...children.pages);
  }
  return undefined;
}

class PageReader {
  readonly #file: number;
  readonly #meta: Meta;
  readonly #size: number;
  readonly #page: Buffer;

  constructor(file: number, meta: Meta) {
    this.#file = file;
    this.#meta = meta;
    this.#page = Buffer.alloc(meta.pageSize);
    this.#size = fstatSync(file).size;
  }

  /** A page that says it is the one with that number. It is good until the next is read. */
  read(number: number): Buffer | undefined {
    const { pageSize } = this.#meta;
    const page = this.#page;
    if (number < META_PAGES || number >= Math.floor(this.#size / pageSize)) return undefined;
    if (readSync(this.#file, page, 0, pageSize, number * pageSize) < pageSize) return undefined;
    return readNumber(page, 0) === number ? page : undefined;
  }

  /** A large value lies on pages in a row, of which the first says how many. */
  holdsOverflow(number: number): boolean {
    const first = this.read(number);
    if (first === undefined || first.readUInt16LE(18) !== OVERFLOW) return false;
    const pages = first.readUInt32LE(20);
    return pages > 0 && (number + pages) * this.#meta.pageSize <= this.#size;
  }
}

/** Where a page of a tree leads; undefined when its insides make no sense. */
function pointers(page: Buffer): { readonly pages: number[]; readonly overflow: number[] } | undefined {
  const [flags, lower, upper] = [page.readUInt16LE(18), page.readUInt16LE(20), page.readUInt16LE(22)];
  // All that a page says of positions counts from the end of its header.
  const body = page.subarray(PAGE_HEADER);
  if ((flags !== BRANCH && flags !== LEAF) || lower > upper || upper > body.length) return undefined;
  const pages: number[] = [];
  const overflow: number[] = [];
  for (let at = 0; at < lower; at += 2) {
    const node = body.readUInt16LE(at);
    if (node < upper || node + NODE_HEADER > body.length) return undefined;
    const [size, nodeFlags] = [body.readUInt32LE(node), body.readUInt16LE(node + 4)];
    const data = node + NODE_HEADER + body.readUInt16LE(node + 6);
    const bytes = flags === BRANCH ? 0 : nodeFlags === BIG_DATA ? 8 : size;
    if (data + bytes > body.length) return undefined;
    if (flags === BRANCH) pages.push(size + nodeFlags * 2 ** 32);
    else if (nodeFlags === BIG_DATA) overflow.push(readNumber(body, data));
    else if (nodeFlags !== 0) return undefined;
  }
  return { pages, overflow };
}

/** 48 of its 64 bits, which is more than any file has of pages, and ten times as fast. */
function readNumber(bytes: Buffer, at: number): number {
  return bytes.readUIntLE(at, 6);
}

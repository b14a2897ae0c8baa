import { createHash } from 'node:crypto';
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { decodePath } from '../../src/base/path-bytes.js';
import { readXattrs } from './xattrs.js';

/** A file system object with all that a layer can say of it. */
export interface TreeNode {
  readonly type: 'file' | 'directory' | 'symlink' | 'character-device' | 'block-device' | 'fifo' | 'socket';
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds since the epoch. */
  readonly mtime: bigint;
  readonly size?: number;
  readonly sha256?: string;
  readonly target?: string;
  /** major:minor */
  readonly device?: string;
  /** First path, in byte order, of those that are the same inode; undefined when there is one only. */
  readonly linkOf?: string;
  /** Values in latin1, so that binary ones can be compared and read. */
  readonly xattrs: Readonly<Record<string, string>>;
}

/** By path relative to the root; '.' is the root itself. */
export type Tree = ReadonlyMap<string, TreeNode>;

const TYPES = {
  1: 'fifo',
  2: 'character-device',
  4: 'directory',
  6: 'block-device',
  8: 'file',
  10: 'symlink',
  12: 'socket',
} as const;

export interface ReadTreeOptions {
  /** Paths (relative) that are left out, with what is below them. */
  readonly except?: readonly string[];
}

/** Reads a tree as it is on the disk. Nothing is followed. */
export function readTree(root: string, options: ReadTreeOptions = {}): Tree {
  const tree = new Map<string, TreeNode>();
  const inodes = new Map<string, string>();
  const visit = (path: Buffer, name: string) => {
    if (options.except?.includes(name)) return;
    const stats = lstatSync(path, { bigint: true });
    const type = TYPES[(Number(stats.mode) >> 12) as keyof typeof TYPES];
    tree.set(name, {
      ...attributes(stats, path, type),
      ...content(stats, path, type),
      ...link(stats, name, type, inodes),
    });
    if (type !== 'directory') return;
    for (const entry of readdirSync(path, { encoding: 'buffer' }).sort(Buffer.compare)) {
      const child = decodePath(entry);
      visit(Buffer.concat([path, Buffer.from('/'), entry]), name === '.' ? child : `${name}/${child}`);
    }
  };
  visit(Buffer.from(root), '.');
  return dropSingleLinks(tree);
}

function attributes(stats: BigIntStats, path: Buffer, type: TreeNode['type']) {
  const mode = (Number(stats.mode) & 0o7777).toString(8).padStart(4, '0');
  return {
    type,
    mode,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    mtime: stats.mtimeNs,
    xattrs: readXattrs(path),
  };
}

function content(stats: BigIntStats, path: Buffer, type: TreeNode['type']): Partial<TreeNode> {
  switch (type) {
    case 'file':
      return { size: Number(stats.size), sha256: sha256(readFileSync(path)) };
    case 'symlink':
      return { target: decodePath(readlinkSync(path, { encoding: 'buffer' })) };
    case 'character-device':
    case 'block-device':
      return { device: deviceName(stats.rdev) };
    default:
      return {};
  }
}

function link(
  stats: BigIntStats,
  name: string,
  type: TreeNode['type'],
  inodes: Map<string, string>,
): Partial<TreeNode> {
  if (type === 'directory' || stats.nlink < 2n) return {};
  const inode = `${stats.dev}:${stats.ino}`;
  const first = inodes.get(inode) ?? name;
  inodes.set(inode, first);
  return { linkOf: first };
}

/** An inode whose other names lie outside the tree is no group. */
function dropSingleLinks(tree: Map<string, TreeNode>): Tree {
  const shared = new Set<string>();
  for (const [path, { linkOf }] of tree) if (linkOf !== undefined && linkOf !== path) shared.add(linkOf);
  for (const [path, { linkOf, ...node }] of tree)
    if (linkOf !== undefined && !shared.has(linkOf)) tree.set(path, node);
  return tree;
}

function deviceName(rdev: bigint): string {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & ~0xffn);
  return `${major}:${minor}`;
}

export function sha256(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Fields that a comparison leaves out. */
export type Ignored = readonly (keyof TreeNode)[];

/** Where two trees differ, a line each: empty when they are equal. */
export function diffTrees(expected: Tree, actual: Tree, ignored: Ignored = []): string[] {
  const lines: string[] = [];
  for (const path of [...new Set([...expected.keys(), ...actual.keys()])].sort()) {
    const [wanted, found] = [expected.get(path), actual.get(path)];
    if (wanted === undefined) lines.push(`${path}: should not exist, is a ${found!.type}`);
    else if (found === undefined) lines.push(`${path}: is missing, should be a ${wanted.type}`);
    else lines.push(...diffNodes(path, wanted, found, ignored));
  }
  return lines;
}

function diffNodes(path: string, wanted: TreeNode, found: TreeNode, ignored: Ignored): string[] {
  const keys = new Set([...Object.keys(wanted), ...Object.keys(found)]) as Set<keyof TreeNode>;
  return [...keys]
    .filter((key) => !ignored.includes(key) && shown(wanted[key]) !== shown(found[key]))
    .map((key) => `${path}: ${key} should be ${shown(wanted[key])}, is ${shown(found[key])}`);
}

function shown(value: TreeNode[keyof TreeNode]): string {
  if (typeof value === 'object') return JSON.stringify(Object.entries(value).sort());
  return String(value);
}

import { NONE } from '../erofs/records.js';
import { type ImageTree, ROOT } from './image-tree.js';

/** A path of the merged tree, with its text. */
export interface WalkedPath {
  readonly path: number;
  readonly node: number;
  readonly text: string;
}

/** The children of a directory that are in the merged tree, in the order of their names. */
function sortedChildren(
  tree: ImageTree,
  directory: number,
  { onlyDirectories }: WalkOptions,
): readonly { path: number; name: string }[] {
  const children: { path: number; name: string }[] = [];
  for (const path of tree.childrenOf(directory)) {
    const node = tree.nodeOf(path);
    if (node !== NONE && (!onlyDirectories || tree.nodes.isDirectory(node)))
      children.push({ path, name: tree.nameOf(path) });
  }
  return children.sort((one, other) => (one.name < other.name ? -1 : 1));
}

interface WalkOptions {
  /** @default false */
  readonly onlyDirectories?: boolean;
}

/** The merged tree below a directory: each directory before what it holds. A tree of any depth takes no recursion. */
export function* walkTree(
  tree: ImageTree,
  top: number = ROOT,
  options: WalkOptions = {},
): Generator<WalkedPath, void, void> {
  const open = [{ prefix: prefixOf(tree.textOf(top)), children: sortedChildren(tree, top, options), at: 0 }];
  for (let level = open.at(-1); level !== undefined; level = open.at(-1)) {
    const child = level.children[level.at++];
    if (child === undefined) {
      open.pop();
      continue;
    }
    const { path, name } = child;
    const node = tree.nodeOf(path);
    const text = level.prefix + name;
    yield { path, node, text };
    if (tree.nodes.isDirectory(node))
      open.push({ prefix: prefixOf(text), children: sortedChildren(tree, path, options), at: 0 });
  }
}

function prefixOf(path: string): string {
  return path === '' ? '' : `${path}/`;
}

/** Finds a path of any layer by its text. Symlinks are not followed. @returns NONE when no layer has it */
export function findPath(tree: ImageTree, text: string): number {
  let at: number = ROOT;
  for (const name of text.split('/')) {
    if (name === '') continue;
    at = tree.find(at, name);
    if (at === NONE) return NONE;
  }
  return at;
}

/** Chooses the paths that stand for nodes: that of the entry, or a hard link that is left. @returns the number of entries */
export function choosePaths(tree: ImageTree): number {
  let entries = 0;
  for (let path = ROOT + 1; path < tree.paths; path++) {
    const node = tree.nodeOf(path);
    if (node === NONE) continue;
    entries += 1;
    if (tree.nodeOf(tree.nodes.ownPathOf(node)) !== node) tree.nodes.setOwnPath(node, path);
  }
  return entries;
}

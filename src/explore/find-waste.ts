import { NONE } from '../erofs/records.js';
import type { Waste } from './explored-image.js';
import { type ImageTree, ROOT } from './image-tree.js';
import { findPath, walkTree } from './tree-walk.js';

/** Directories whose files package managers fetch again when they need them. */
const PACKAGE_CACHES = [
  'var/cache/apt',
  'var/lib/apt/lists',
  'var/cache/apk',
  'var/cache/yum',
  'var/cache/dnf',
  'var/cache/libdnf5',
  'var/cache/zypp',
  'var/cache/pacman',
  'root/.cache',
  'root/.npm',
  'root/.bundle/cache',
  'root/.cargo/registry',
  'root/.m2/repository',
  'usr/local/share/.cache',
  'usr/local/cargo/registry',
  'go/pkg/mod/cache',
] as const;

/** Waste that grows while files are found. */
interface Found {
  files: number;
  bytes: number;
  readonly layers: Set<number>;
  by: number | undefined;
}

/** Finds the bytes that the layers hold in vain. The largest first. */
export function findWaste(tree: ImageTree): readonly Waste[] {
  return [...lostFiles(tree), ...duplicates(tree), ...packageCaches(tree)].sort(
    (one, other) => other.bytes - one.bytes || (one.path < other.path ? -1 : 1),
  );
}

/** Files that are in a layer, and not in the merged tree. */
function* lostFiles(tree: ImageTree): Generator<Waste, void, void> {
  const replaced = new Map<number, Found>();
  const removed = new Map<number, Map<number, Found>>();
  const isFound = new Uint8Array(tree.nodes.length);
  for (let layer = 0; layer < tree.layers; layer++)
    for (const { path, before, after } of tree.changesOf(layer)) {
      if (
        before === NONE ||
        isFound[before] ||
        !isLost(tree, before) ||
        tree.nodes.ownPathOf(before) !== path
      )
        continue;
      isFound[before] = 1;
      if (after !== NONE) count(foundAt(replaced, path), tree, before, layer);
      else {
        const byLayer = removed.get(layer) ?? new Map<number, Found>();
        removed.set(layer, byLayer);
        count(foundAt(byLayer, topRemoved(tree, path, layer)), tree, before, layer);
      }
    }
  // A layer can list a name twice: its first file is in no change.
  for (let node = 0; node < tree.nodes.length; node++)
    if (!isFound[node] && isLost(tree, node))
      count(foundAt(replaced, tree.nodes.ownPathOf(node)), tree, node, tree.nodes.madeBy(node));
  for (const [path, found] of replaced) yield wasteOf('replaced', tree.textOf(path), found);
  for (const byLayer of removed.values())
    for (const [path, found] of byLayer) yield wasteOf('removed', tree.textOf(path), found);
}

function isLost(tree: ImageTree, node: number): boolean {
  return tree.nodes.namesOf(node) === 0 && tree.nodes.sizeOf(node) > 0;
}

/** The highest directory that the same layer removed with the path. */
function topRemoved(tree: ImageTree, path: number, layer: number): number {
  let top = path;
  for (let at = tree.parentOf(path); at !== ROOT; at = tree.parentOf(at)) {
    if (!wasRemoved(tree, at, layer)) break;
    top = at;
  }
  return top;
}

function wasRemoved(tree: ImageTree, path: number, layer: number): boolean {
  for (const change of tree.historyOf(path)) if (change.layer === layer) return change.after === NONE;
  return false;
}

/** Files of the merged tree with the same content. */
function* duplicates(tree: ImageTree): Generator<Waste, void, void> {
  const firsts = new Map<number, number>();
  const groups = new Map<number, number[]>();
  for (let node = 0; node < tree.nodes.length; node++) {
    if (tree.nodes.namesOf(node) === 0 || tree.nodes.sizeOf(node) === 0) continue;
    const content = tree.nodes.contentOf(node);
    const first = firsts.get(content);
    if (first === undefined) firsts.set(content, node);
    else if (tree.nodes.hasSameContent(first, node)) {
      const group = groups.get(first);
      if (group === undefined) groups.set(first, [node]);
      else group.push(node);
    }
  }
  for (const [first, copies] of groups) {
    const found = newFound();
    for (const node of copies) count(found, tree, node, undefined);
    const path = tree.textOf(tree.nodes.ownPathOf(first));
    yield {
      ...wasteOf('duplicate', path, found),
      copies: copies.map((node) => tree.textOf(tree.nodes.ownPathOf(node))),
    };
  }
}

function* packageCaches(tree: ImageTree): Generator<Waste, void, void> {
  for (const text of PACKAGE_CACHES) {
    const path = findPath(tree, text);
    if (path === NONE || tree.nodeOf(path) === NONE || !tree.nodes.isDirectory(tree.nodeOf(path))) continue;
    const found = newFound();
    for (const walked of walkTree(tree, path))
      if (tree.nodes.ownPathOf(walked.node) === walked.path) count(found, tree, walked.node, undefined);
    if (found.bytes > 0) yield wasteOf('package-cache', text, found);
  }
}

function newFound(): Found {
  return { files: 0, bytes: 0, layers: new Set(), by: undefined };
}

function foundAt(all: Map<number, Found>, path: number): Found {
  const found = all.get(path) ?? newFound();
  all.set(path, found);
  return found;
}

function count(found: Found, tree: ImageTree, node: number, by: number | undefined): void {
  const size = tree.nodes.sizeOf(node);
  if (size === 0) return;
  found.files += 1;
  found.bytes += size;
  found.layers.add(tree.nodes.madeBy(node));
  found.by = by;
}

function wasteOf(kind: Waste['kind'], path: string, { files, bytes, layers, by }: Found): Waste {
  return { kind, path, copies: [], files, bytes, layers: [...layers].sort((one, other) => one - other), by };
}

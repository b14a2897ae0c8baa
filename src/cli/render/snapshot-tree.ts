import type { SnapshotInfo } from '../../index.js';

export interface SnapshotTree extends SnapshotInfo {
  readonly children: readonly SnapshotTree[];
}

/** Each snapshot with those upon it. */
export function snapshotTrees(infos: readonly SnapshotInfo[]): SnapshotTree[] {
  const trees = new Map(infos.map((info) => [info.name, { ...info, children: [] as SnapshotTree[] }]));
  const roots: SnapshotTree[] = [];
  for (const tree of trees.values()) {
    // A parent that was made, and its child listed, while the list was read is not in it.
    const parent = tree.parent === undefined ? undefined : trees.get(tree.parent);
    (parent?.children ?? roots).push(tree);
  }
  return roots;
}

/** A row for each, below its parent. `label` has the name and how deep it is, drawn as ctr does. */
export function treeRows(
  trees: readonly SnapshotTree[],
  depth = 0,
): { readonly label: string; readonly kind: SnapshotInfo['kind'] }[] {
  const before = depth === 0 ? '' : `${'  '.repeat(depth - 1)} \\_ `;
  return trees.flatMap(({ name, kind, children }) => [
    { label: `${before}${name}`, kind },
    ...treeRows(children, depth + 1),
  ]);
}

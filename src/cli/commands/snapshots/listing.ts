import type { SnapshotInfo, Snapshotter, SnapshotUsage } from '../../../index.js';
import { abortOnSignals } from '../../failure.js';
import type { ListFlags, StoreFlags } from '../../flags/store-flags.js';
import { formatBytes, formatCount } from '../../render/format.js';
import { columns, printList } from '../../render/list.js';
import { labelledRows, printResult } from '../../render/print.js';
import { withExistingSnapshots } from '../../with-root.js';
import { checkFilters } from '../check-filters.js';

/** The kinds as ctr spells them. */
const KINDS: Readonly<Record<SnapshotInfo['kind'], string>> = {
  active: 'Active',
  view: 'View',
  committed: 'Committed',
};

const FIELDS = { name: 'any', parent: 'any', kind: Object.keys(KINDS), labels: 'labels' } as const;

export async function ls(flags: ListFlags): Promise<number> {
  return await withExistingSnapshots(flags, async (snapshots) => {
    checkFilters(flags.filter, FIELDS);
    printList(flags, await listed(snapshots, flags.filter), {
      head: ['KEY', 'PARENT', 'KIND'],
      row: ({ name, parent = '', kind }) => [name, parent, KINDS[kind]],
      key: ({ name }) => name,
      document: (info) => info,
    });
  });
}

export async function tree(flags: StoreFlags): Promise<number> {
  return await withExistingSnapshots(flags, async (snapshots) => {
    const trees: readonly SnapshotTree[] = snapshotTrees(await listed(snapshots));
    const rows = treeRows(trees).map(({ label, kind }) => [label, KINDS[kind]]);
    printResult(flags, trees, columns(['KEY', 'KIND'], rows));
  });
}

export async function info(key: string, flags: StoreFlags): Promise<number> {
  return await withExistingSnapshots(flags, async (snapshots) => {
    const found = await snapshots.stat(key);
    const text = labelledRows(found.name, [
      ['kind', KINDS[found.kind]],
      ['parent', found.parent ?? 'none'],
      ['created', found.createdAt.toISOString()],
      ['updated', found.updatedAt.toISOString()],
      ...Object.entries(found.labels).map(([name, value]) => ['label', `${name}=${value}`] as const),
    ]);
    printResult(flags, found, text);
  });
}

/** @param keys all snapshots, if empty */
export async function usage(keys: readonly string[], flags: StoreFlags): Promise<number> {
  const signal = abortOnSignals();
  return await withExistingSnapshots(flags, async (snapshots) => {
    const names = keys.length > 0 ? keys : (await listed(snapshots)).map(({ name }) => name);
    const usages: ({ readonly key: string } & SnapshotUsage)[] = [];
    for (const key of names) usages.push({ key, ...(await snapshots.usage(key, { signal })) });
    const rows = usages.map(({ key, bytes, inodes }) => [key, formatBytes(bytes), formatCount(inodes)]);
    printResult(flags, usages, columns(['KEY', 'SIZE', 'INODES'], rows, { right: ['SIZE', 'INODES'] }));
  });
}

async function listed(snapshots: Snapshotter, filters?: readonly string[]): Promise<SnapshotInfo[]> {
  const infos: SnapshotInfo[] = [];
  for await (const info of snapshots.walk({ filters })) infos.push(info);
  return infos;
}

interface SnapshotTree extends SnapshotInfo {
  readonly children: readonly SnapshotTree[];
}

/** Each snapshot with its children. */
function snapshotTrees(infos: readonly SnapshotInfo[]): SnapshotTree[] {
  const trees = new Map(infos.map((info) => [info.name, { ...info, children: [] as SnapshotTree[] }]));
  const roots: SnapshotTree[] = [];
  for (const tree of trees.values()) {
    // A parent that was created while the list was read can be missing from it.
    const parent = tree.parent === undefined ? undefined : trees.get(tree.parent);
    (parent?.children ?? roots).push(tree);
  }
  return roots;
}

/** A row for each snapshot, below its parent. `label` is the name, indented as ctr does. */
function treeRows(
  trees: readonly SnapshotTree[],
  depth = 0,
): { readonly label: string; readonly kind: SnapshotInfo['kind'] }[] {
  const before = depth === 0 ? '' : `${'  '.repeat(depth - 1)} \\_ `;
  return trees.flatMap(({ name, kind, children }) => [
    { label: `${before}${name}`, kind },
    ...treeRows(children, depth + 1),
  ]);
}

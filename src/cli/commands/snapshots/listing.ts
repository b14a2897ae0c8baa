import { displayPath, type SnapshotInfo, type Snapshotter, type SnapshotUsage } from '../../../index.js';
import type { RootFlags } from '../../flags/root-flags.js';
import { columns } from '../../render/columns.js';
import { formatBytes, formatCount } from '../../render/format.js';
import { type ListFlags, printList } from '../../render/print-list.js';
import { printResult } from '../../render/print-result.js';
import { type SnapshotTree, snapshotTrees, treeRows } from '../../render/snapshot-tree.js';
import { withExistingSnapshots } from './with-snapshots.js';

/** In containerd's spelling. */
const KINDS: Readonly<Record<SnapshotInfo['kind'], string>> = {
  active: 'Active',
  view: 'View',
  committed: 'Committed',
};

export async function ls(flags: RootFlags & ListFlags): Promise<number> {
  return await withExistingSnapshots(flags, async (snapshots) => {
    printList(flags, await listed(snapshots, flags.filter), {
      head: ['KEY', 'PARENT', 'KIND'],
      row: ({ name, parent = '', kind }) => [name, parent, KINDS[kind]],
      key: ({ name }) => name,
      document: (info) => info,
    });
  });
}

export async function tree(flags: RootFlags): Promise<number> {
  return await withExistingSnapshots(flags, async (snapshots) => {
    const trees: readonly SnapshotTree[] = snapshotTrees(await listed(snapshots));
    const rows = treeRows(trees).map(({ label, kind }) => [label, KINDS[kind]]);
    printResult(flags, trees, columns(['KEY', 'KIND'], rows));
  });
}

export async function info(key: string, flags: RootFlags): Promise<number> {
  return await withExistingSnapshots(flags, async (snapshots) => {
    const found = await snapshots.stat(key);
    const fields: readonly (readonly [name: string, value: string])[] = [
      ['kind', KINDS[found.kind]],
      ['parent', found.parent ?? 'none'],
      ['created', found.createdAt.toISOString()],
      ['updated', found.updatedAt.toISOString()],
      ...Object.entries(found.labels).map(([name, value]) => ['label', `${name}=${value}`] as const),
    ];
    const lines = fields.map(([name, value]) => `  ${name.padEnd(10)} ${displayPath(value)}\n`);
    printResult(flags, found, `${displayPath(found.name)}\n${lines.join('')}`);
  });
}

/** @param keys none: of all */
export async function usage(keys: readonly string[], flags: RootFlags): Promise<number> {
  return await withExistingSnapshots(flags, async (snapshots) => {
    const names = keys.length > 0 ? keys : (await listed(snapshots)).map(({ name }) => name);
    const usages: ({ readonly key: string } & SnapshotUsage)[] = [];
    for (const key of names) usages.push({ key, ...(await snapshots.usage(key)) });
    const rows = usages.map(({ key, bytes, inodes }) => [key, formatBytes(bytes), formatCount(inodes)]);
    printResult(flags, usages, columns(['KEY', 'SIZE', 'INODES'], rows, { right: ['SIZE', 'INODES'] }));
  });
}

async function listed(snapshots: Snapshotter, filters?: readonly string[]): Promise<SnapshotInfo[]> {
  const infos: SnapshotInfo[] = [];
  for await (const info of snapshots.walk({ filters })) infos.push(info);
  return infos;
}

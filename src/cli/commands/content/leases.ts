import { displayPath, type Lease, type LeaseResource } from '../../../index.js';
import { forEachName } from '../../failure.js';
import type { ListFlags, StoreFlags } from '../../flags/store-flags.js';
import { counted, formatMinute } from '../../render/format.js';
import { printList } from '../../render/list.js';
import { printResult } from '../../render/print.js';
import { withExistingStore } from '../../with-root.js';
import { checkFilters } from '../check-filters.js';

interface ListedLease extends Lease {
  readonly resources: readonly LeaseResource[];
}

const FIELDS = { id: 'any', labels: 'labels' } as const;

export async function ls(flags: ListFlags): Promise<number> {
  return await withExistingStore(flags, async ({ content: { leases } }) => {
    checkFilters(flags.filter, FIELDS);
    const listed: ListedLease[] = [];
    for (const lease of await leases.list({ filters: flags.filter }))
      listed.push({ ...lease, resources: await leases.resources(lease.id) });
    printList(flags, listed, {
      head: ['ID', 'CREATED', 'ENDS', 'HOLDS'],
      row: (lease) => [lease.id, formatMinute(lease.createdAt), ends(lease), holds(lease)],
      key: ({ id }) => id,
      document: (lease) => lease,
    });
  });
}

export async function rm(ids: readonly string[], flags: StoreFlags): Promise<number> {
  return await withExistingStore(flags, async ({ content: { leases } }) => {
    const { done: removed, code } = await forEachName(ids, flags, async (id) => {
      await leases.delete(id);
      return id;
    });
    printResult(flags, { removed }, removed.map((id) => `Removed ${displayPath(id)}\n`).join(''));
    return code;
  });
}

function ends({ process, expiresAt }: Lease): string {
  if (process !== undefined) return `with process ${process}`;
  return expiresAt === undefined ? 'when it is removed' : formatMinute(expiresAt);
}

function holds({ resources }: ListedLease): string {
  const count = (wanted: LeaseResource['type']) => resources.filter(({ type }) => type === wanted).length;
  const parts = [
    counted(count('content'), 'blob', 'blobs'),
    counted(count('snapshot'), 'snapshot', 'snapshots'),
  ];
  if (count('ingest') > 0) parts.push(counted(count('ingest'), 'ingest', 'ingests'));
  if (count('image') > 0) parts.push(counted(count('image'), 'image', 'images'));
  return parts.join(', ');
}

import { join } from 'node:path';
import { listRecords } from '../../metadata/snapshot-records.js';
import { findStaleMounts } from '../../mount/stale-mounts.js';
import type { CheckContext } from './check-context.js';
import { type OpenFinding, openFinding } from './check-report.js';
import { cleanUp, withOrphans } from './cleanup.js';

/** What belongs to no snapshot: on disk, and among the mounts. */
export async function findLeftovers({ store, directories }: CheckContext): Promise<OpenFinding[]> {
  const recorded = () =>
    store.read((transaction) => new Set(listRecords(transaction).map(({ id }) => String(id))));
  const orphans = await withOrphans(directories, recorded, async (names) => names);
  const ids = recorded();
  return [
    ...orphans.map((name) =>
      openFinding({
        kind: 'orphan',
        path: join(directories.path, name),
        detail: 'no snapshot has this directory',
      }),
    ),
    // One that is being made or removed is an orphan at most.
    ...findStaleMounts(directories.path, (name) => ids.has(name)).map(({ mountPoint, detail }) =>
      openFinding({ kind: 'stale-mount', path: mountPoint, detail }),
    ),
  ];
}

/** Frees orphans, and says so in the findings. */
export async function pruneLeftovers(
  { store, directories }: CheckContext,
  findings: readonly OpenFinding[],
  dryRun: boolean,
): Promise<void> {
  const prunable = findings.filter(({ kind }) => kind === 'orphan');
  if (dryRun) {
    for (const finding of prunable) finding.outcome = 'would-prune';
    return;
  }
  const { failed } = await cleanUp(directories, () =>
    store.read((transaction) => new Set(listRecords(transaction).map(({ id }) => String(id)))),
  );
  const errors = new Map(failed.map(({ directory, error }) => [join(directories.path, directory), error]));
  for (const finding of prunable) {
    const error = errors.get(finding.path);
    finding.outcome = error === undefined ? 'pruned' : 'failed';
    if (error !== undefined) finding.error = error;
  }
}

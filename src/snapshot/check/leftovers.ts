import { join } from 'node:path';
import type { AbortableOptions } from '../../base/abort.js';
import { findRecord, listRecords, removeRecord } from '../../metadata/snapshot-records.js';
import { findStaleMounts } from '../../mount/store-mounts.js';
import { contentsOf } from '../contents/known-contents.js';
import { TEMPORARY_VIEW_LABEL, UNPACKING_LABEL } from '../labels.js';
import type { SnapshotRoot } from '../store/snapshot-root.js';
import { type OpenFinding, openFinding } from './check-report.js';

/** The directories that a cleanup removed, and those that it could not remove. */
export interface CleanupResult {
  /** Names of the directories below `snapshots/` that were removed. */
  readonly removed: readonly string[];
  /** Directories that could not be removed, and why. */
  readonly failed: readonly { readonly directory: string; readonly error: unknown }[];
}

type Context = Pick<SnapshotRoot, 'store' | 'directories' | 'backend'>;

/** See `Snapshotter.cleanup`. */
export async function cleanUp(root: SnapshotRoot, options: AbortableOptions): Promise<CleanupResult> {
  const { store, directories, backend } = root;
  await removeDead(root);
  const result = await removeOrphans(root, options);
  const records = store.read((transaction) => listRecords(transaction));
  const committed = records
    .filter(({ kind }) => kind === 'committed')
    .map(({ id }) => directories.pathOf(id));
  await contentsOf(backend)?.cleanUp?.(directories.path, committed, options);
  return result;
}

/** Finds directories and mounts that belong to no snapshot. */
export async function findLeftovers(context: Context): Promise<OpenFinding[]> {
  const { path: snapshots } = context.directories;
  const orphans = await withOrphans(context, async (names) => names);
  const ids = recordedIds(context);
  return [
    ...orphans.map((name) =>
      openFinding({ kind: 'orphan', path: join(snapshots, name), detail: 'no snapshot has this directory' }),
    ),
    // A directory that is being made or removed counts as an orphan only.
    ...findStaleMounts(snapshots, (name) => ids.has(name)).map(({ mountPoint, detail }) =>
      openFinding({ kind: 'stale-mount', path: mountPoint, detail }),
    ),
    ...(contentsOf(context.backend)?.unusedMounts?.(snapshots) ?? []).map((path) =>
      openFinding({ kind: 'stale-mount', path, detail: 'no snapshot has its file: a cleanup unmounts it' }),
    ),
  ];
}

/** Removes orphans, and sets the outcome of their findings. */
export async function pruneLeftovers(
  context: Context,
  findings: readonly OpenFinding[],
  dryRun: boolean,
): Promise<void> {
  const prunable = findings.filter(({ kind }) => kind === 'orphan');
  if (dryRun) {
    for (const finding of prunable) finding.outcome = 'would-prune';
    return;
  }
  const { failed } = await removeOrphans(context);
  const { path: snapshots } = context.directories;
  const errors = new Map(failed.map(({ directory, error }) => [join(snapshots, directory), error]));
  for (const finding of prunable) {
    const error = errors.get(finding.path);
    finding.outcome = error === undefined ? 'pruned' : 'failed';
    if (error !== undefined) finding.error = error;
  }
}

/**
 * Removes the records of unpacks and temporary views whose process has died, as their free locks show. Their directories
 * become orphans.
 */
async function removeDead({ store, directories }: Context): Promise<void> {
  for (const { name, kind, labels } of store.read((transaction) => listRecords(transaction))) {
    const lock = labels[UNPACKING_LABEL] ?? labels[TEMPORARY_VIEW_LABEL];
    if (lock === undefined || kind === 'committed') continue;
    const release = directories.takeNameLock(lock);
    if (release === undefined) continue;
    try {
      await store.write((transaction) => {
        if (findRecord(transaction, name) !== undefined) removeRecord(transaction, name);
      });
    } finally {
      release();
    }
  }
}

function removeOrphans(context: Context, { signal }: AbortableOptions = {}): Promise<CleanupResult> {
  return withOrphans(context, async (names) => {
    const removed: string[] = [];
    const failed: { directory: string; error: unknown }[] = [];
    for (const name of names)
      try {
        signal?.throwIfAborted();
        await context.directories.remove(name, { signal });
        removed.push(name);
      } catch (error) {
        signal?.throwIfAborted();
        failed.push({ directory: name, error });
      }
    return { removed, failed };
  });
}

/** Runs `use` with the names of directories that have no record. It holds their locks, so that no process begins work there. */
async function withOrphans<T>(context: Context, use: (names: readonly string[]) => Promise<T>): Promise<T> {
  const { directories } = context;
  const before = recordedIds(context);
  const suspects = directories.list().filter(({ name, kind }) => kind !== 'foreign' && !before.has(name));
  const locks = new Map<string, number>();
  try {
    for (const { name } of suspects) {
      const lock = directories.lock(name);
      if (lock !== undefined) locks.set(name, lock);
    }
    // The process that made a directory could record it until now. It does not get the lock from now on.
    const recorded = recordedIds(context);
    return await use([...locks.keys()].filter((name) => !recorded.has(name)));
  } finally {
    for (const lock of locks.values()) directories.unlock(lock);
  }
}

function recordedIds({ store }: Context): ReadonlySet<string> {
  return store.read((transaction) => new Set(listRecords(transaction).map(({ id }) => String(id))));
}

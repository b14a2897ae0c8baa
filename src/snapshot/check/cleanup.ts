import type { AbortableOptions } from '../../base/abort.js';
import type { SnapshotDirectories } from '../store/snapshot-directories.js';

/** What a cleanup has removed. */
export interface CleanupResult {
  /** Names of the directories below `snapshots/` that are gone. */
  readonly removed: readonly string[];
  /** Those that could not be freed, with the reason. */
  readonly failed: readonly { readonly directory: string; readonly error: unknown }[];
}

/**
 * Removes directories that no record names and nobody is at work on.
 *
 * @param recordedIds reads the ids of all records, as they are at that moment
 */
export function cleanUp(
  directories: SnapshotDirectories,
  recordedIds: () => ReadonlySet<string>,
  { signal }: AbortableOptions = {},
): Promise<CleanupResult> {
  return withOrphans(directories, recordedIds, async (names) => {
    const removed: string[] = [];
    const failed: { directory: string; error: unknown }[] = [];
    for (const name of names)
      try {
        signal?.throwIfAborted();
        await directories.remove(name, { signal });
        removed.push(name);
      } catch (error) {
        signal?.throwIfAborted();
        failed.push({ directory: name, error });
      }
    return { removed, failed };
  });
}

/** Runs `use` with the names of such directories, on which nobody else can begin meanwhile. */
export async function withOrphans<T>(
  directories: SnapshotDirectories,
  recordedIds: () => ReadonlySet<string>,
  use: (names: readonly string[]) => Promise<T>,
): Promise<T> {
  const before = recordedIds();
  const suspects = directories.list().filter(({ name, kind }) => kind !== 'foreign' && !before.has(name));
  const locks = new Map<string, number>();
  try {
    for (const { name } of suspects) {
      const lock = directories.lock(name);
      if (lock !== undefined) locks.set(name, lock);
    }
    // Whoever made one of them had until now to record it; whoever comes now does not get the lock.
    const recorded = recordedIds();
    return await use([...locks.keys()].filter((name) => !recorded.has(name)));
  } finally {
    for (const lock of locks.values()) directories.unlock(lock);
  }
}

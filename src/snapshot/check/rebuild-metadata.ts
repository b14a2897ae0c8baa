import { checkOptions } from '../../base/check-arguments.js';
import type { SnapshotInfo } from '../snapshotter.js';

/** Which snapshots are back in the metadata, and which directories are not. */
export interface RebuildResult {
  readonly recovered: readonly SnapshotInfo[];
  /** Directories that are no snapshots now, with the reason. `check` with `prune`, or `cleanup`, frees them. */
  readonly lost: readonly { readonly directory: string; readonly reason: string }[];
  /** Where the damaged metadata are kept; undefined when there were none. */
  readonly kept: string | undefined;
}

/**
 * Makes the metadata of a root anew when they are damaged or lost, from the record file in each snapshot's directory.
 * Snapshots come back with kind, parent, and the labels that they had when they were made or committed. A snapshot
 * whose removal or commit was cut off by a crash may come back too. Nobody else may have the root open.
 *
 * @throws OverlayerError
 *   - `FailedPrecondition`: the metadata are sound
 *   - `Unavailable`: another process is rebuilding them
 *   - `NotFound`, `PermissionDenied`, `ResourceExhausted`
 */
export async function rebuildMetadata(options: { readonly root: string }): Promise<RebuildResult> {
  checkOptions('rebuildMetadata', options, { root: true });
  // Late: whoever unpacks layers alone need not wait for all of this to load.
  const { rebuildRoot } = await import('./rebuild-root.js');
  return await rebuildRoot(options.root);
}

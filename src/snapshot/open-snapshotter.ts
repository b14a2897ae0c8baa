import { checkOptions, type OptionNames } from '../base/check-arguments.js';
import type { SnapshotBackend } from './backends/backend.js';
import type { Snapshotter } from './snapshotter.js';

/** Where the snapshots are, and how they are laid out. */
export interface OpenSnapshotterOptions {
  /** Where the snapshots and their metadata are. It is made if need be, for its owner's eyes only. */
  readonly root: string;
  /**
   * `overlay`: layers, joined by overlayfs. `native`: whole trees, each a copy of its parent's. Or one of your own.
   * @default that of the snapshots that are there; else `overlay` where the file system and the kernel allow it,
   *   `native` where not
   */
  readonly backend?: 'overlay' | 'native' | SnapshotBackend | undefined;
}

export const OPEN_SNAPSHOTTER_OPTIONS = {
  root: true,
  backend: true,
} satisfies OptionNames<OpenSnapshotterOptions>;

/**
 * Opens the snapshots below a root. Other processes may have them open too.
 *
 * @throws OverlayerError
 *   - `FailedPrecondition`: overlayfs was asked for and does not work there; the snapshots are another backend's, or
 *     of a format version that only later releases know
 *   - `DataLoss`: the metadata are damaged or gone (see `rebuildMetadata`)
 *   - `PermissionDenied`, `ResourceExhausted`
 */
export async function openSnapshotter(options: OpenSnapshotterOptions): Promise<Snapshotter> {
  checkOptions('openSnapshotter', options, OPEN_SNAPSHOTTER_OPTIONS);
  // Late: whoever unpacks layers alone need not wait for all of this to load.
  const { openRoot } = await import('./store/open-root.js');
  return (await openRoot(options)).snapshots;
}

import { checkOptions, type OptionNames } from '../base/check-arguments.js';
import type { OpenSnapshotterOptions, Snapshotter } from './snapshotter.js';

export const OPEN_SNAPSHOTTER_OPTIONS = {
  root: 'path',
  backend: true,
} satisfies OptionNames<OpenSnapshotterOptions>;

/**
 * Opens the snapshots below a root. Several processes may have the same root open.
 *
 * @throws OverlayerError
 *   - `FailedPrecondition`: `backend` is `overlay` and overlayfs does not work there; another backend made the snapshots;
 *     only later releases know the format version
 *   - `DataLoss`: the metadata are damaged or gone (see `rebuildMetadata`)
 *   - `PermissionDenied`, `ResourceExhausted`: the root can't be made or written
 */
export async function openSnapshotter(options: OpenSnapshotterOptions): Promise<Snapshotter> {
  checkOptions('openSnapshotter', options, OPEN_SNAPSHOTTER_OPTIONS);
  // A program that only unpacks layers does not load the store.
  const { openRoot } = await import('./store/open-root.js');
  return (await openRoot(options)).snapshots;
}

import { checkOptions, checkPath } from '../../base/check-arguments.js';
import type { RebuildResult } from './rebuild-root.js';

/**
 * Rebuilds damaged or lost metadata of a root from the record file in each snapshot's directory. Snapshots get back their
 * kind, parent, and the labels that they had when they were made or committed. A snapshot can come back whose removal or
 * commit a crash has interrupted. No other process may have the root open.
 *
 * @throws OverlayerError
 *   - `FailedPrecondition`: the metadata are sound
 *   - `Unavailable`: another process is rebuilding them
 *   - `NotFound`, `PermissionDenied`, `ResourceExhausted`
 */
export async function rebuildMetadata(options: { readonly root: string }): Promise<RebuildResult> {
  checkOptions('rebuildMetadata', options, { root: 'path' });
  checkPath('root', options.root);
  // A program that only unpacks layers does not load the store.
  const { rebuildRoot } = await import('./rebuild-root.js');
  return await rebuildRoot(options.root);
}

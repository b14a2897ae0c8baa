import { opendir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { OverlayerError } from '../../base/errors.js';
import type { LayerResult, LayerSource, ReadLayerOptions } from '../../layer/options.js';
import { type AppliedLayer, applyLayer } from '../../layer/unpack-layer.js';
import type { Mount } from '../../mount/mount.js';
import { withMount } from '../../mount/mounting.js';
import type { Digest } from '../../oci/digest.js';
import { isStaged, unpackPlace } from '../../snapshot/fill/unpack-place.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import { hasKnownLayout } from '../../snapshot/store/snapshot-tree.js';
import { toOverlayerError } from '../../system/errno-code.js';
import type { FilledSnapshots } from './filled-snapshots.js';

export interface ApplyToMountsOptions extends Required<Pick<ReadLayerOptions, 'signal'>> {
  readonly digest: Digest;
  /** Flush the file system when the layer is there. */
  readonly sync: boolean;
  /** No more layers will come below what the mounts show. @default a commit may bring some (`rebase`) */
  readonly isFinal?: boolean | undefined;
}

/** Where a daemon's own snapshots are. */
export interface OwnSnapshots {
  readonly snapshots: Snapshotter;
  /** Their directories' parent, without symlinks. */
  readonly directory: string;
  readonly filled: FilledSnapshots;
}

/**
 * Unpacks a layer as if it were written through the mounts, of whatever snapshotter. Nothing is mounted where the
 * directories behind them can be told: a bind mount's, an overlay's upperdir. Of overlays without lower layers, which are
 * there to unpack several layers at once, whiteouts are kept. What else such a layer needs of those below is done when
 * it is committed (`commitLayer`); that is impossible for another's snapshots.
 *
 * @param open opens the layer, once it is known where it goes
 * @throws OverlayerError as `unpackLayer` and `mountAll`; `FailedPrecondition`: they can only be read; `Unimplemented`:
 * another's snapshot, and the layer needs those below
 */
export async function applyToMounts(
  open: () => Promise<LayerSource>,
  mounts: readonly Mount[],
  own: OwnSnapshots,
  options: ApplyToMountsOptions,
): Promise<LayerResult> {
  if (mounts.length === 0)
    throw new OverlayerError('InvalidArgument', 'There are no mounts to unpack the layer onto');
  if (isStaged(mounts))
    throw new OverlayerError('FailedPrecondition', 'The mounts are read-only: nothing can be unpacked there');
  const foreign = unpackPlace({ mounts, parent: undefined, capabilities: [] });
  if (foreign === undefined) return await applyThroughMounts(await open(), mounts, options);
  const { destination } = foreign;
  // What is there already is hidden by whiteouts only where they go through overlayfs.
  const isNew = await isEmpty(destination);
  const { capabilities, name } = own.snapshots.backend;
  const isOwn = dirname(dirname(destination)) === own.directory;
  const place = isOwn ? unpackPlace({ mounts, parent: undefined, capabilities })! : foreign;
  const mayGetLowers = place.mayGetLowers && options.isFinal !== true;
  const filling = isOwn ? own.filled.begin(destination) : undefined;
  let applied: AppliedLayer | undefined;
  try {
    if (place.existing !== 'merge' && !isNew) {
      if (isOwn && mayGetLowers) await own.filled.note(destination, undefined);
      return await applyThroughMounts(await open(), mounts, options);
    }
    applied = await applyLayer(await open(), destination, {
      ...{ ...options, ...place, temporary: place.existing !== 'merge' },
      lowersLater: mayGetLowers ? (isOwn ? 'note' : 'refuse') : undefined,
      onProgress: filling?.onProgress,
      facts: isOwn && hasKnownLayout(name),
    });
    if (isOwn && mayGetLowers)
      await own.filled.note(destination, {
        digest: options.digest,
        listsRoot: applied.layer.listsRoot,
        needs: applied.needsLowers,
      });
    return applied.layer;
  } catch (error) {
    throw isOwn || !mayGetLowers ? error : leftToOthers(error);
  } finally {
    filling?.end(applied);
  }
}

/** A layer that needs those below goes to the next differ: what that makes of it is the other snapshotter's affair. */
function leftToOthers(error: unknown): unknown {
  if (!OverlayerError.is(error) || error.code !== 'FailedPrecondition') return error;
  return new OverlayerError('Unimplemented', error.message, { ...error, cause: error });
}

async function applyThroughMounts(
  source: LayerSource,
  mounts: readonly Mount[],
  options: ApplyToMountsOptions,
): Promise<LayerResult> {
  const how = { ...options, existing: 'merge', temporary: false } as const;
  const apply = async (directory: string) => (await applyLayer(source, directory, how)).layer;
  return await withMount(mounts, apply, options);
}

async function isEmpty(path: string): Promise<boolean> {
  try {
    const directory = await opendir(path);
    try {
      return (await directory.read()) === null;
    } finally {
      await directory.close();
    }
  } catch (error) {
    throw toOverlayerError(error, `Cannot unpack to "${path}"`);
  }
}

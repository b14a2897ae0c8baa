import { opendir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { OverlayerError } from '../base/errors.js';
import type { LayerResult, LayerSource, ReadLayerOptions } from '../layer/options.js';
import { type AppliedLayer, applyLayer } from '../layer/unpack-layer.js';
import { type Mount, withMount } from '../snapshot/mount.js';
import { hasKnownLayout, manifestOf } from '../snapshot/snapshot-tree.js';
import type { Snapshotter } from '../snapshot/snapshotter.js';
import { isStaged, type UnpackPlace, unpackPlace } from '../snapshot/unpack-place.js';
import { toOverlayerError } from '../system/errno-code.js';
import type { FilledSnapshots } from './filled-snapshots.js';

export interface ApplyToMountsOptions extends Pick<ReadLayerOptions, 'digest' | 'signal'> {
  /** Flush the file system when the layer is there. */
  readonly sync: boolean;
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
 * directories behind them can be told: a bind mount's, an overlay's upperdir. Of overlays without lower layers, as
 * containerd makes them to unpack several layers at once, whiteouts are kept.
 *
 * @throws OverlayerError as `unpackLayer` and `mountAll`; `FailedPrecondition`: they can only be read
 */
export async function applyToMounts(
  source: LayerSource,
  mounts: readonly Mount[],
  own: OwnSnapshots,
  options: ApplyToMountsOptions,
): Promise<LayerResult> {
  if (mounts.length === 0)
    throw new OverlayerError('InvalidArgument', 'There are no mounts to unpack the layer onto');
  if (isStaged(mounts))
    throw new OverlayerError('FailedPrecondition', 'The mounts are read-only: nothing can be unpacked there');
  const place = await findPlace(mounts, own);
  if (place === undefined)
    return await withMount(
      mounts,
      async (directory) => {
        const how = { ...options, existing: 'merge', temporary: false } as const;
        return (await applyLayer(source, directory, how)).layer;
      },
      options,
    );
  const { destination, ...how } = place;
  const manifest =
    isOwn(destination, own) && hasKnownLayout(own.snapshots.backend.name)
      ? manifestOf(dirname(destination))
      : undefined;
  const applied: AppliedLayer = await applyLayer(source, destination, {
    ...{ ...options, ...how },
    ...{ temporary: how.existing !== 'merge', manifest },
  });
  if (manifest !== undefined) own.filled.add(destination, applied);
  return applied.layer;
}

/** @returns undefined for what can only be written to through the mounts */
async function findPlace(mounts: readonly Mount[], own: OwnSnapshots): Promise<UnpackPlace | undefined> {
  const foreign = unpackPlace({ mounts, parent: undefined, capabilities: [] });
  if (foreign === undefined) return undefined;
  const { capabilities } = own.snapshots.backend;
  const place = isOwn(foreign.destination, own)
    ? unpackPlace({ mounts, parent: undefined, capabilities })
    : foreign;
  const isNew = await isEmpty(foreign.destination);
  // Whiteouts hide what an upperdir has already only when they go through overlayfs.
  return place?.existing === 'merge' || isNew ? place : undefined;
}

function isOwn(destination: string, { directory }: OwnSnapshots): boolean {
  return dirname(dirname(destination)) === directory;
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

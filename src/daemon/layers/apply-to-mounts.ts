import { opendir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { OverlayerError } from '../../base/errors.js';
import { needsLowers } from '../../layer/apply/lowers-later.js';
import type { LayerResult, LayerSource, ReadLayerOptions } from '../../layer/options.js';
import type { Mount } from '../../mount/mount.js';
import { shownLayers } from '../../mount/shown-layers.js';
import type { Digest } from '../../oci/digest.js';
import {
  DirectoryPlace,
  type FillLayerOptions,
  type FillPlace,
  MountsPlace,
} from '../../snapshot/fill/fill-place.js';
import { isStaged } from '../../snapshot/fill/is-staged.js';
import { LayerFill, placeBehind } from '../../snapshot/fill/layer-fill.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import { toOverlayerError } from '../../system/errno-code.js';
import type { FilledSnapshots } from './filled-snapshots.js';

interface ApplyToMountsOptions extends Required<Pick<ReadLayerOptions, 'signal'>> {
  readonly digest: Digest;
  /** Flush the file system when the layer is there. */
  readonly sync: boolean;
  /** The commit brings no lower layers (`rebase`). @default false */
  readonly isFinal?: boolean | undefined;
}

/** The daemon's own snapshots. */
export interface OwnSnapshots {
  readonly snapshots: Snapshotter;
  /** The parent of their directories, without symlinks. */
  readonly directory: string;
  readonly filled: FilledSnapshots;
}

/**
 * Unpacks a layer with the same result as through the mounts, which may be of any snapshotter. It writes straight into
 * the source of a bind mount or the upperdir of an overlay, and mounts nothing. Other mounts are mounted.
 *
 * An overlay without lower layers is a snapshot whose parent comes later. Its whiteouts are kept. A layer that needs
 * its lower layers for more than that is unpacked again by `commitLayer`. This works for the daemon's own snapshots
 * only.
 *
 * @param open opens the layer. It is called when the destination is known
 * @throws OverlayerError as `unpackLayer` and `mountAll`; `FailedPrecondition`: the mounts are read-only;
 * `Unimplemented`: the snapshot is another snapshotter's, and the layer needs its lower layers
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
  const [uppermost] = shownLayers(mounts) ?? [];
  const isOwn = uppermost !== undefined && dirname(dirname(uppermost.path)) === own.directory;
  const place = isOwn
    ? placeBehind(own.snapshots.backend, mounts)
    : DirectoryPlace.behind({ mounts, parent: undefined, capabilities: [] });
  if (uppermost === undefined || place === undefined) {
    using fill = LayerFill.begin(new MountsPlace(mounts), { temporary: false });
    return (await fill.apply(await open(), reading(options))).layer;
  }
  // Whiteouts of a layer that is written straight to its place do not hide files that are in the directory already.
  const isNew = await isEmpty(uppermost.path);
  const isDirect = place.merges || isNew;
  const chosen = isDirect ? place : new MountsPlace(mounts);
  const mayGetLowers = place.mayGetLowers && options.isFinal !== true;
  const directory = dirname(uppermost.path);
  if (isOwn) return await applyToOwn(open, chosen, own, { ...options, directory, isDirect, mayGetLowers });
  using fill = LayerFill.begin(chosen, { temporary: !place.merges });
  const lowersLater = isDirect && mayGetLowers ? 'refuse' : undefined;
  try {
    return (await fill.apply(await open(), { ...reading(options), lowersLater })).layer;
  } catch (error) {
    throw leftToOthers(error);
  }
}

interface ApplyToOwnOptions extends ApplyToMountsOptions {
  /** Of the snapshot. */
  readonly directory: string;
  /** The layer is not written through mounts. */
  readonly isDirect: boolean;
  readonly mayGetLowers: boolean;
}

/** Unpacks into a snapshot of this daemon, and seals it for its commit. */
async function applyToOwn(
  open: () => Promise<LayerSource>,
  place: FillPlace,
  { filled }: OwnSnapshots,
  { directory, isDirect, mayGetLowers, ...options }: ApplyToOwnOptions,
): Promise<LayerResult> {
  return await filled.fill(directory, place, { temporary: !place.merges }, async (fill) => {
    if (!isDirect && mayGetLowers) await filled.note(directory, undefined);
    const lowersLater = isDirect && mayGetLowers ? 'note' : undefined;
    const { layer, needsLowers } = await fill.apply(await open(), { ...reading(options), lowersLater });
    const { digest } = options;
    if (lowersLater !== undefined)
      await filled.note(directory, { digest, listsRoot: layer.listsRoot, needs: needsLowers });
    return layer;
  });
}

function reading({ digest, sync, signal }: ApplyToMountsOptions): FillLayerOptions {
  return { digest, sync, signal };
}

/** A layer that relies on those below it goes to the next differ, which may know the other snapshotter. */
function leftToOthers(error: unknown): unknown {
  if (!needsLowers(error)) return error;
  return new OverlayerError('Unimplemented', error.message, { ...error, cause: error });
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

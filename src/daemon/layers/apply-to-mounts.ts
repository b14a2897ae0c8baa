import { opendir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { OverlayerError } from '../../base/errors.js';
import { needsLowers } from '../../layer/apply/lowers-later.js';
import type { LayerResult, LayerSource, ReadLayerOptions } from '../../layer/options.js';
import type { Mount } from '../../mount/mount.js';
import type { Digest } from '../../oci/digest.js';
import { type FillLayerOptions, LayerFill } from '../../snapshot/fill/layer-fill.js';
import { isStaged, unpackPlace } from '../../snapshot/fill/unpack-place.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
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
  if (foreign === undefined) {
    using fill = LayerFill.begin({ mounts }, { temporary: false });
    return (await fill.apply(await open(), reading(options))).layer;
  }
  const { destination } = foreign;
  // Where a layer is written straight into the directory, whiteouts do not hide what is there already.
  const isNew = await isEmpty(destination);
  const isOwn = dirname(dirname(destination)) === own.directory;
  if (isOwn) return await applyToOwn(open, mounts, isNew, own, options);
  const isDirect = foreign.existing === 'merge' || isNew;
  using fill = LayerFill.begin(isDirect ? foreign : { mounts }, { temporary: foreign.existing !== 'merge' });
  const lowersLater = isDirect && foreign.mayGetLowers && options.isFinal !== true ? 'refuse' : undefined;
  try {
    return (await fill.apply(await open(), { ...reading(options), lowersLater })).layer;
  } catch (error) {
    throw leftToOthers(error);
  }
}

/** Into a snapshot of this daemon's, which is sealed for its commit. */
async function applyToOwn(
  open: () => Promise<LayerSource>,
  mounts: readonly Mount[],
  isNew: boolean,
  { snapshots, filled }: OwnSnapshots,
  options: ApplyToMountsOptions,
): Promise<LayerResult> {
  const place = unpackPlace({ mounts, parent: undefined, capabilities: snapshots.backend.capabilities })!;
  const { destination } = place;
  const mayGetLowers = place.mayGetLowers && options.isFinal !== true;
  const isDirect = place.existing === 'merge' || isNew;
  const temporary = place.existing !== 'merge';
  return await filled.fill(destination, isDirect ? place : { mounts }, { temporary }, async (fill) => {
    if (!isDirect && mayGetLowers) await filled.note(destination, undefined);
    const lowersLater = isDirect && mayGetLowers ? 'note' : undefined;
    const { layer, needsLowers } = await fill.apply(await open(), { ...reading(options), lowersLater });
    const { digest } = options;
    if (lowersLater !== undefined)
      await filled.note(destination, { digest, listsRoot: layer.listsRoot, needs: needsLowers });
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

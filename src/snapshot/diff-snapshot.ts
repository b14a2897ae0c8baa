import { readdir } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { checkMethod, checkOptions } from '../base/check-arguments.js';
import { OverlayerError } from '../base/errors.js';
import { HeldResources } from '../base/held-resources.js';
import { DataTask, type Task } from '../base/task.js';
import { runDiff } from '../layer/diff/create-diff.js';
import { CREATE_DIFF_OPTIONS, type CreateDiffOptions, type DiffResult } from '../layer/diff/options.js';
import { type ErofsLayerInfo, findErofsLayer } from '../layer/erofs/read-erofs-layer.js';
import type { DiffedTrees } from '../layer/worker/jobs.js';
import { checkMounts, type Mount } from '../mount/mount.js';
import { readOnlyMount, type ShownLayer, shownLayers } from '../mount/shown-layers.js';
import { toOverlayerError } from '../system/errno-code.js';
import type { Snapshotter } from './snapshotter.js';
import { openTemporaryView } from './temporary-view.js';

/**
 * Makes a layer of the changes of a snapshot to its parent's tree, or of the whole tree if there is no parent. For overlay
 * snapshots only their own directory is read, and nothing is mounted. The snapshot may be in use: a change during the call
 * is in the layer or not, but no file in it is cut short.
 *
 * @throws OverlayerError as `createDiff`; `NotFound`: no such snapshot
 * @throws `signal.reason` after an abort
 *
 * @example
 * const diff = diffSnapshot(snapshots, 'web', { compression: 'zstd' });
 * await writeFile('layer.tar.zst', diff);
 */
export function diffSnapshot(
  snapshots: Snapshotter,
  key: string,
  options: CreateDiffOptions = {},
): Task<DiffResult, Uint8Array> {
  return new DataTask(async function* () {
    checkOptions('diffSnapshot', options, CREATE_DIFF_OPTIONS);
    checkMethod('snapshots', snapshots, 'stat');
    await using held = new HeldResources();
    return yield* runDiff(await treesOfSnapshot(snapshots, key, options, held), options);
  });
}

/**
 * The trees of which `diffSnapshot` makes a layer.
 *
 * @param held gets the views and mounts that show them
 */
export async function treesOfSnapshot(
  snapshots: Snapshotter,
  key: string,
  options: CreateDiffOptions,
  held: HeldResources,
): Promise<DiffedTrees> {
  options.signal?.throwIfAborted();
  const view = async (name: string) => held.hold(await openTemporaryView(snapshots, name, options)).mounts;
  const { kind, parent } = await snapshots.stat(key);
  const left = parent === undefined ? [] : await view(parent);
  // A committed snapshot has mounts only as a view.
  const right = kind === 'committed' ? await view(key) : await snapshots.mounts(key);
  return await treesOfMounts(left, right, options, held);
}

/**
 * Makes a layer of the changes from `left` to `right`, as containerd's Diff service does (services/diff/v1).
 *
 * If the uppermost layer of `right` is the only layer that `left` lacks, only that layer is read. A layer file gives the
 * tar that it was made of, byte for byte, unless `sourceDateEpoch` is set. Nothing is mounted then, except other EROFS
 * files. Else both sides are mounted read-only in a private place, and compared. Owners are those on the disk, even if the
 * mounts map them.
 *
 * @param left mounts of the tree before the changes. A first layer has no mounts, or an empty directory
 * @throws OverlayerError as `createDiff` and `mountAll`
 * @throws `signal.reason` after an abort
 */
export function diffMounts(
  left: readonly Mount[],
  right: readonly Mount[],
  options: CreateDiffOptions = {},
): Task<DiffResult, Uint8Array> {
  return new DataTask(async function* () {
    checkMounts('left', left);
    checkMounts('right', right);
    checkOptions('diffMounts', options, CREATE_DIFF_OPTIONS);
    await using held = new HeldResources();
    return yield* runDiff(await treesOfMounts(left, right, options, held), options);
  });
}

/**
 * The trees of which `diffMounts` makes a layer.
 *
 * @param held gets the mounts that show them
 */
export async function treesOfMounts(
  left: readonly Mount[],
  right: readonly Mount[],
  options: CreateDiffOptions,
  held: HeldResources,
): Promise<DiffedTrees> {
  if (right.length === 0)
    throw new OverlayerError('InvalidArgument', 'There are no mounts to make a diff of');
  const show = async (mounts: readonly Mount[]) => held.hold(await showTree(mounts)).directory;
  const changes = await findChanges(left, right);
  if (changes === undefined) return { lower: await show(left), upper: (await show(right))! };
  const { upper, lowers } = changes;
  const stored = storedLayer(upper, options);
  if (stored !== undefined) return stored;
  if ([upper, ...lowers].every(isDirectory))
    return { upper: upper.path, lowers: lowers.map(({ path }) => path) };
  if (isDirectory(upper) && lowers.every(isLayerFile))
    return { upper: upper.path, layerFiles: lowers.map(({ path }) => path) };
  const above = await show([mountOf(upper)]);
  const below = lowers.length === 0 ? undefined : await show(left);
  return { upper: above!, lowers: below === undefined ? [] : [below] };
}

/** A layer file holds the tar of its layer. Times that the caller limits may be later in it. */
function storedLayer(
  { type, path }: ShownLayer,
  { sourceDateEpoch }: CreateDiffOptions,
): ErofsLayerInfo | undefined {
  return type === 'erofs' && sourceDateEpoch === undefined ? findErofsLayer(path) : undefined;
}

/** The only layer that the left side lacks, and the layers below it. */
interface Changes {
  readonly upper: ShownLayer;
  /** Nearest first. */
  readonly lowers: readonly ShownLayer[];
}

async function findChanges(left: readonly Mount[], right: readonly Mount[]): Promise<Changes | undefined> {
  const [upper, ...lowers] = shownLayers(right) ?? [];
  const layers = shownLayers(left);
  if (upper === undefined || layers === undefined) return undefined;
  const isFirst = lowers.length === 0 && (await isEmpty(layers));
  return isFirst || isDeepStrictEqual(lowers, layers) ? { upper, lowers } : undefined;
}

function isDirectory({ type }: ShownLayer): boolean {
  return type === 'directory';
}

function isLayerFile({ type, path }: ShownLayer): boolean {
  return type === 'erofs' && findErofsLayer(path) !== undefined;
}

function mountOf({ type, path }: ShownLayer): Mount {
  return { type: type === 'directory' ? 'bind' : type, source: path, options: ['ro'] };
}

/** Some snapshotters mount an empty directory for a snapshot without contents. */
async function isEmpty([layer, ...others]: readonly ShownLayer[]): Promise<boolean> {
  if (layer === undefined) return true;
  if (others.length > 0 || !isDirectory(layer)) return false;
  try {
    return (await readdir(layer.path)).length === 0;
  } catch (error) {
    throw toOverlayerError(error, `Cannot read "${layer.path}"`);
  }
}

/** A tree that is shown in a directory. */
interface ShownTree extends AsyncDisposable {
  /** Undefined when there are no mounts. */
  readonly directory: string | undefined;
}

/** Shows a tree read-only: without a mount if it is a single directory. */
export async function showTree(mounts: readonly Mount[]): Promise<ShownTree> {
  const layers = shownLayers(mounts);
  // A single directory is read where it is, without a mount and without privileges.
  if (layers !== undefined && layers.length < 2 && layers.every(isDirectory))
    return { directory: layers[0]?.path, [Symbol.asyncDispose]: async () => {} };
  const { mountForReading } = await import('../mount/mounting.js');
  const { directory, unmount } = await mountForReading(mounts.map(readOnlyMount));
  return { directory, [Symbol.asyncDispose]: () => unmount({ lazy: true }) };
}

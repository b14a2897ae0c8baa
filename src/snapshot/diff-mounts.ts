import { readdir } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { checkOptions } from '../base/check-arguments.js';
import { OverlayerError } from '../base/errors.js';
import { DataTask, type Task } from '../base/task.js';
import { runDiff } from '../layer/diff/create-diff.js';
import {
  CREATE_DIFF_OPTIONS,
  type CreateDiffOptions,
  type DiffResult,
  type DiffSource,
} from '../layer/diff/options.js';
import type { Mount } from '../mount/mount.js';
import { readOnlyMount, shownLayers } from '../mount/overlay-layers.js';
import { toOverlayerError } from '../system/errno-code.js';

/**
 * A layer of what `right` shows and `left` does not, as containerd's Diff service makes it (services/diff/v1).
 *
 * Where the uppermost layer of `right` is the one layer that `left` does not have, that layer is read and nothing else,
 * and nothing is mounted. Else both are mounted to be read, where nobody else looks, and compared. Owners are those
 * of the disk, also where the mounts map them.
 *
 * @param left the tree to be changed; no mounts, or an empty directory, for a first layer
 * @throws OverlayerError as `createDiff` and `mountAll`
 * @throws `signal.reason` when the signal asks for the end
 */
export function diffMounts(
  left: readonly Mount[],
  right: readonly Mount[],
  options: CreateDiffOptions = {},
): Task<DiffResult, Uint8Array> {
  return new DataTask(async function* () {
    checkOptions('diffMounts', options, CREATE_DIFF_OPTIONS);
    return yield* runDiffOfMounts(left, right, options);
  });
}

/** See `diffMounts`. */
export async function* runDiffOfMounts(
  left: readonly Mount[],
  right: readonly Mount[],
  options: CreateDiffOptions,
): AsyncGenerator<Uint8Array, DiffResult> {
  if (right.length === 0)
    throw new OverlayerError('InvalidArgument', 'There are no mounts to make a diff of');
  const upperdir = await findUpperdir(left, right);
  if (upperdir !== undefined) return yield* runDiff(upperdir, options);
  await using lower = await showTree(left);
  await using upper = await showTree(right);
  return yield* runDiff({ lower: lower.directory, upper: upper.directory! }, options);
}

async function findUpperdir(
  left: readonly Mount[],
  right: readonly Mount[],
): Promise<DiffSource | undefined> {
  const [upper, ...lowers] = shownLayers(right) ?? [];
  const layers = shownLayers(left);
  if (upper === undefined || layers === undefined) return undefined;
  const isFirst = lowers.length === 0 && (await isEmpty(layers));
  return isFirst || isDeepStrictEqual(lowers, layers) ? { upper, lowers } : undefined;
}

/** A snapshotter that has nothing to show shows an empty directory. */
async function isEmpty([directory, ...others]: readonly string[]): Promise<boolean> {
  if (directory === undefined || others.length > 0) return directory === undefined;
  try {
    return (await readdir(directory)).length === 0;
  } catch (error) {
    throw toOverlayerError(error, `Cannot read "${directory}"`);
  }
}

interface ShownTree extends AsyncDisposable {
  /** Undefined where there are no mounts. */
  readonly directory: string | undefined;
}

async function showTree(mounts: readonly Mount[]): Promise<ShownTree> {
  const layers = shownLayers(mounts);
  // One directory by itself needs no mount, and no privileges.
  if (layers !== undefined && layers.length < 2)
    return { directory: layers[0], [Symbol.asyncDispose]: async () => {} };
  const { mountTemporarily } = await import('../mount/mounting.js');
  const { directory, unmount } = await mountTemporarily(mounts.map(readOnlyMount));
  return { directory, [Symbol.asyncDispose]: () => unmount({ lazy: true }) };
}

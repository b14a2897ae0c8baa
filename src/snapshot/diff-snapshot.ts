import { checkOptions } from '../base/check-arguments.js';
import { DataTask, type Task } from '../base/task.js';
import { CREATE_DIFF_OPTIONS, type CreateDiffOptions, type DiffResult } from '../layer/diff/options.js';
import type { Mount } from '../mount/mount.js';
import { runDiffOfMounts } from './diff-mounts.js';
import type { Snapshotter } from './snapshotter.js';
import { temporaryKey } from './temporary-key.js';

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
    return yield* runDiffOfSnapshot(snapshots, key, options);
  });
}

async function* runDiffOfSnapshot(
  snapshots: Snapshotter,
  key: string,
  options: CreateDiffOptions,
): AsyncGenerator<Uint8Array, DiffResult> {
  options.signal?.throwIfAborted();
  const { kind, parent } = await snapshots.stat(key);
  const views: string[] = [];
  /** A committed snapshot has mounts only as a view. */
  const view = async (name: string): Promise<readonly Mount[]> => {
    const temporary = temporaryKey(name, 'mount');
    const mounts = await snapshots.view(temporary, { parent: name, signal: options.signal });
    views.push(temporary);
    return mounts;
  };
  try {
    const left = parent === undefined ? [] : await view(parent);
    const right = kind === 'committed' ? await view(key) : await snapshots.mounts(key);
    return yield* runDiffOfMounts(left, right, options);
  } finally {
    for (const each of views) await snapshots.remove(each);
  }
}

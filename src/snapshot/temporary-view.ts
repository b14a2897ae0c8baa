import type { AbortableOptions } from '../base/abort.js';
import { Deferred } from '../base/deferred.js';
import { OverlayerError } from '../base/errors.js';
import type { Mount } from '../mount/mount.js';
import { TEMPORARY_VIEW_LABEL } from './labels.js';
import type { Snapshotter } from './snapshotter.js';
import { temporaryKey } from './temporary-key.js';

/** A view that exists until it is disposed of. */
export interface TemporaryView extends AsyncDisposable {
  /** Of the layers one by one, where the backend has them so. */
  readonly mounts: readonly Mount[];
}

/**
 * Makes a view of a committed snapshot for the time of some work. `close` of the snapshots removes it, so that work that
 * was abandoned keeps nothing. `cleanup` removes it when its process has died.
 *
 * @throws OverlayerError as `Snapshotter.view`
 */
export async function openTemporaryView(
  snapshots: Snapshotter,
  parent: string,
  { signal }: AbortableOptions = {},
): Promise<TemporaryView> {
  const key = temporaryKey(parent, 'mount');
  const shown = { parent, merged: false, signal } as const;
  const ended = new Deferred<void>();
  let holding = Promise.resolve();
  try {
    const mounts = await new Promise<readonly Mount[]>((opened, failed) => {
      // The lock shows `cleanup` that the process lives.
      holding = snapshots.withLock(
        key,
        async (closing) => {
          opened(await snapshots.view(key, { ...shown, labels: { [TEMPORARY_VIEW_LABEL]: key } }));
          closing.addEventListener('abort', () => ended.resolve());
          if (!closing.aborted) await ended.promise;
          await snapshots.remove(key);
        },
        { signal },
      );
      holding.catch(failed);
    });
    const dispose = async () => {
      ended.resolve();
      await holding;
    };
    return { mounts, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    // On a read-only file system there are no locks, and a view has no record (`Snapshotter.view`).
    if (!OverlayerError.is(error) || error.errno !== 'EROFS') throw error;
    return { mounts: await snapshots.view(key, shown), [Symbol.asyncDispose]: async () => {} };
  }
}

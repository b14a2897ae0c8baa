import type { AbortableOptions } from '../base/abort.js';
import type { Mount } from '../mount/mount.js';
import type { Snapshotter } from './snapshotter.js';
import { temporaryKey } from './temporary-key.js';

/** A view that exists until it is disposed of. */
export interface TemporaryView extends AsyncDisposable {
  /** Of the layers one by one, where the backend has them so. */
  readonly mounts: readonly Mount[];
}

/** Makes a view of a committed snapshot for the time of some work. @throws OverlayerError as `Snapshotter.view` */
export async function openTemporaryView(
  snapshots: Snapshotter,
  parent: string,
  { signal }: AbortableOptions = {},
): Promise<TemporaryView> {
  const key = temporaryKey(parent, 'mount');
  const mounts = await snapshots.view(key, { parent, merged: false, signal });
  return { mounts, [Symbol.asyncDispose]: () => snapshots.remove(key) };
}

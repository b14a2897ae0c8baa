import type { Mount } from './mount.js';
import { parseMountOptions, splitOption } from './mount-options.js';
import { splitLayers, unescapeLayer } from './overlay-mount.js';
import type { Snapshotter } from './snapshotter.js';
import { temporaryKey } from './temporary-key.js';
import { treeThreads } from './tree-threads.js';

/**
 * A layer that does not list the root directory leaves it as the layer below has it. Of a snapshot that got its parent late that
 * has to be made true: overlayfs shows the upper root.
 *
 * @param directory the layer's own, with the manifest beside it where there is one
 */
export async function inheritRoot(snapshots: Snapshotter, parent: string, directory: string): Promise<void> {
  const key = temporaryKey(parent);
  const mounts = await snapshots.view(key, { parent });
  try {
    await treeThreads.run({ type: 'inherit', from: uppermost(mounts), to: directory });
  } finally {
    await snapshots.remove(key);
  }
}

/** The directory of the nearest layer that a view shows. */
function uppermost([mount]: readonly Mount[]): string {
  const { data } = parseMountOptions(mount!.type, mount!.options);
  const lowers = data.map(splitOption).find(([key]) => key === 'lowerdir')?.[1];
  return lowers === undefined ? mount!.source : unescapeLayer(splitLayers(lowers)[0]!);
}

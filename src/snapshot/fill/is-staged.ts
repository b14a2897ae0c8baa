import type { Mount } from '../../mount/mount.js';
import { parseMountOptions } from '../../mount/mount-options.js';

/** Whether the backend has filled the snapshot itself (`snapshotter.ts`, "Layers that need not be unpacked"). */
export function isStaged(mounts: readonly Mount[]): boolean {
  const last = mounts.at(-1);
  return last !== undefined && parseMountOptions(last.type, last.options).flags.has('ro');
}

import type { UnpackLayerOptions } from '../../layer/options.js';
import type { Mount } from '../../mount/mount.js';
import { parseMountOptions } from '../../mount/mount-options.js';
import { overlayLayers } from '../../mount/overlay-layers.js';
import type { Capability } from '../backends/backend.js';

/** The directory behind mounts, and how to unpack there with the same result as through the mounts. */
export interface UnpackPlace extends Pick<UnpackLayerOptions, 'target' | 'lowers' | 'existing'> {
  readonly destination: string;
  /** There are no lower layers, and a commit may bring some. Whiteouts are kept. */
  readonly mayGetLowers: boolean;
}

interface PreparedSnapshot {
  readonly mounts: readonly Mount[];
  readonly parent: string | undefined;
  readonly capabilities: readonly Capability[];
}

/**
 * Finds the directory behind the mounts of an active snapshot.
 *
 * Where a commit may give the snapshot its first parent (`rebase`), whiteouts are kept in the form of overlayfs. They hide
 * files of the later parent.
 *
 * @returns undefined when the snapshot can only be written through its mounts
 */
export function unpackPlace({ mounts, parent, capabilities }: PreparedSnapshot): UnpackPlace | undefined {
  const [mount] = mounts;
  if (mount === undefined || mounts.length > 1 || mount.target !== undefined) return undefined;
  const { data, idMap } = parseMountOptions(mount.type, mount.options);
  if (idMap !== undefined) return undefined;
  if (mount.type === 'bind')
    return parent === undefined && capabilities.includes('rebase')
      ? { destination: mount.source, target: 'overlay', mayGetLowers: true }
      : { destination: mount.source, existing: 'merge', mayGetLowers: false };
  const { upper, lowers } = overlayLayers(data);
  if (mount.type !== 'overlay' || upper === undefined) return undefined;
  return { destination: upper, target: 'overlay', lowers, mayGetLowers: lowers.length === 0 };
}

/** Whether the backend has filled the snapshot itself (`snapshotter.ts`, "Layers that need not be unpacked"). */
export function isStaged(mounts: readonly Mount[]): boolean {
  const last = mounts.at(-1);
  return last !== undefined && parseMountOptions(last.type, last.options).flags.has('ro');
}

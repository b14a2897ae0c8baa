import type { UnpackLayerOptions } from '../../layer/options.js';
import type { Mount } from '../../mount/mount.js';
import { parseMountOptions } from '../../mount/mount-options.js';
import { overlayLayers } from '../../mount/overlay-layers.js';
import type { Capability } from '../backends/backend.js';

/** Where a layer is unpacked to, and how, so that it comes out as if it were written through the mounts. */
export interface UnpackPlace extends Pick<UnpackLayerOptions, 'target' | 'lowers' | 'existing'> {
  readonly destination: string;
  /** Lower layers may come later: there are none, and whiteouts are kept. */
  readonly mayGetLowers: boolean;
}

export interface PreparedSnapshot {
  readonly mounts: readonly Mount[];
  readonly parent: string | undefined;
  readonly capabilities: readonly Capability[];
}

/**
 * The directories behind the mounts of an active snapshot.
 *
 * A snapshot without a parent that may get one when it is committed (`rebase`) keeps its whiteouts, as overlayfs
 * writes them: there may be something below to hide.
 *
 * @returns undefined for what can only be written to through its mounts
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

/** Whether the backend has filled the snapshot itself: see `snapshotter.ts`, "Layers that need not be unpacked". */
export function isStaged(mounts: readonly Mount[]): boolean {
  const last = mounts.at(-1);
  return last !== undefined && parseMountOptions(last.type, last.options).flags.has('ro');
}

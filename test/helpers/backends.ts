import { join } from 'node:path';
import type { SnapshotBackend } from '../../src/index.js';
import { ErofsBackend } from '../../src/snapshot/backends/erofs-backend.js';
import { NativeBackend } from '../../src/snapshot/backends/native-backend.js';
import { OverlayBackend } from '../../src/snapshot/backends/overlay-backend.js';
import { OVERLAY_SUPPORT } from './overlay-support.js';

/** The backends of snapshots that the package has. A suite that concerns each of them runs on this list. */
export const BACKENDS = ['overlay', 'native', 'erofs'] as const;

export type BackendName = (typeof BACKENDS)[number];

/**
 * The backends that keep layers as trees of files. They also work in a user namespace, and map owners without idmapped
 * mounts.
 */
export const TREE_BACKENDS = BACKENDS.filter((name) => name !== 'erofs');

/** @returns what holds the layer in the directory of a committed snapshot */
export function layerIn(backend: BackendName): string {
  return backend === 'erofs' ? 'layer.erofs' : 'fs';
}

/** A backend without a probe of the kernel. @param root of the snapshotter */
export function makeBackend(name: BackendName, root: string): SnapshotBackend {
  switch (name) {
    case 'overlay':
      return new OverlayBackend(OVERLAY_SUPPORT);
    case 'native':
      return new NativeBackend();
    case 'erofs':
      return new ErofsBackend(OVERLAY_SUPPORT, join(root, 'snapshots'));
    default:
      return name satisfies never;
  }
}

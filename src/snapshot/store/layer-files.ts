import { linkSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { DiffID } from '../../oci/digest.js';

// Names of the backend `erofs`. A committed snapshot is one layer file, `<root>/snapshots/<id>/layer.erofs`. Layers that do
// not depend on their chain also have the name `<root>/layers/<hex of the diffID>.erofs`, as a hard link.

/** The layer of a snapshot. @param directory of the snapshot */
export function layerFileOf(directory: string): string {
  return join(directory, 'layer.erofs');
}

/** The merged metadata of the layers of a view, or of views of a committed snapshot. */
export function mergedFileOf(directory: string): string {
  return join(directory, 'merged.erofs');
}

/** A layer that was unpacked, before the tree of the snapshot makes way for it. @param directory of the snapshot */
export function filledFileOf(directory: string): string {
  return join(directory, 'filled.erofs');
}

/** Paths at which snapshots have their layer files, which need not exist. @param snapshots the parent of their directories */
export function layerFiles(snapshots: string): string[] {
  return readdirSync(snapshots).map((name) => layerFileOf(join(snapshots, name)));
}

/** The name that all snapshots with this layer share. */
export function sharedFileOf(root: string, diffID: DiffID): string {
  return join(root, 'layers', `${diffID.slice('sha256:'.length)}.erofs`);
}

/** The diffIDs of the layers that snapshots of a root share. */
export function sharedLayers(root: string): DiffID[] {
  try {
    return readdirSync(dirname(sharedFileOf(root, 'sha256:'))).flatMap((name): DiffID[] => {
      const [, hex] = /^([0-9a-f]{64})\.erofs$/.exec(name) ?? [];
      return hex === undefined ? [] : [`sha256:${hex}`];
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** @returns false when there is no file `from`, it has too many links, or another process has made `to` before */
export function linkIfPossible(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (['ENOENT', 'EEXIST', 'EMLINK'].includes(String((error as NodeJS.ErrnoException).code))) return false;
    throw error;
  }
}

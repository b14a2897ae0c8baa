import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { DiffID } from '../../oci/digest.js';

/** The layer of a committed snapshot, where it is one EROFS file. @param directory of the snapshot */
export function layerFileOf(directory: string): string {
  return join(directory, 'layer.erofs');
}

/** Paths at which snapshots have their layer files, which need not exist. @param snapshots the parent of their directories */
export function layerFiles(snapshots: string): string[] {
  return readdirSync(snapshots).map((name) => layerFileOf(join(snapshots, name)));
}

/** The diffIDs of the layers that all snapshots of a root share: `<root>/layers/<hex>.erofs`. */
export function sharedLayers(root: string): DiffID[] {
  try {
    return readdirSync(join(root, 'layers')).flatMap((name): DiffID[] => {
      const [, hex] = /^([0-9a-f]{64})\.erofs$/.exec(name) ?? [];
      return hex === undefined ? [] : [`sha256:${hex}`];
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

import { statSync } from 'node:fs';
import { closeQuietly, openTree } from '../../rootfs/directory.js';
import { toOverlayerError } from '../../system/errno-code.js';
import type { System } from '../../system/system.js';
import { DirectoryLayer } from './directory-layer.js';
import { FileLayer } from './file-layer.js';
import type { LowerLayer } from './lower-tree.js';

interface OpenedLayers extends Disposable {
  readonly all: readonly LowerLayer[];
}

/**
 * Opens lower layers: layer files, or directories in overlay form.
 *
 * @throws OverlayerError `NotFound`; as `readErofsLayer`
 */
export function openLowerLayers(system: System, paths: readonly string[]): OpenedLayers {
  const all: LowerLayer[] = [];
  const close = () => {
    for (const layer of all) layer[Symbol.dispose]();
  };
  try {
    for (const path of paths) all.push(openLowerLayer(system, path));
  } catch (error) {
    close();
    throw error;
  }
  return { all, [Symbol.dispose]: close };
}

function openLowerLayer(system: System, path: string): LowerLayer {
  if (statSync(path, { throwIfNoEntry: false })?.isFile()) return new FileLayer(path);
  const descriptor = openTree(system, path, 'Lower layer');
  try {
    return new DirectoryLayer(system, descriptor);
  } catch (error) {
    closeQuietly(system, descriptor);
    throw toOverlayerError(error, `Cannot read lower layer "${path}"`);
  }
}

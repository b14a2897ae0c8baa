import type { AbortableOptions } from '../../base/abort.js';
import { type AppliedLayer, applyLayer } from '../unpack-layer.js';
import { sourceCrews } from '../worker/crew.js';
import { runDiff } from './create-diff.js';

/**
 * Makes a layer file of an overlay's upperdir. The tar goes from the differ to the writer, and is nowhere else on the
 * disk. The file does not depend on the lower layers, except that it inherits a root that is as theirs.
 *
 * @param file a new file, which appears when it is complete. The caller flushes it
 * @param lowers the layer files below, nearest first
 * @throws OverlayerError as `createDiff` and `unpackLayer`
 */
export async function packUpperdir(
  upper: string,
  file: string,
  { lowers, signal }: AbortableOptions & { readonly lowers: readonly string[] },
): Promise<AppliedLayer> {
  const diff = runDiff({ upper, layerFiles: lowers }, { compression: 'none', signal }, sourceCrews);
  return await applyLayer(diff, file, {
    target: 'erofs',
    temporary: true,
    sync: false,
    flushSoon: true,
    signal,
  });
}

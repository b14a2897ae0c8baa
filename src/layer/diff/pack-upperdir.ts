import type { AbortableOptions } from '../../base/abort.js';
import { type AppliedLayer, applyLayer } from '../unpack-layer.js';
import { sourceCrews } from '../worker/crew.js';
import { runDiff } from './create-diff.js';

/**
 * Makes a layer file of an overlay's upperdir. The tar goes from the differ to the writer, and is nowhere else on the
 * disk. The file does not depend on the lower layers: the layer lists each directory, and the root.
 *
 * @param file a new file, which appears when it is complete. The caller flushes it
 * @param hasLowers whether there are lower layers. They are not read, so a socket then leaves a whiteout
 * @throws OverlayerError as `createDiff` and `unpackLayer`
 */
export async function packUpperdir(
  upper: string,
  file: string,
  { hasLowers, signal }: AbortableOptions & { readonly hasLowers: boolean },
): Promise<AppliedLayer> {
  const diff = runDiff(
    { upper, lowers: hasLowers ? 'unread' : [] },
    { compression: 'none', signal },
    sourceCrews,
  );
  return await applyLayer(diff, file, {
    target: 'erofs',
    temporary: true,
    sync: false,
    flushSoon: true,
    signal,
  });
}

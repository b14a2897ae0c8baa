import { checkChoice, checkOptions, checkPath } from '../../base/check-arguments.js';
import { resolveLimits } from '../../base/limits.js';
import {
  MERGE_EROFS_LAYERS_OPTIONS,
  type MergedErofsLayers,
  type MergeErofsLayersOptions,
} from '../options.js';
import { crews } from '../worker/crew.js';

/**
 * Merges the layer files of an image into one EROFS image: a single mount shows what overlayfs shows for the layers, but for the
 * link counts of directories and inode numbers. The same layers give the same bytes.
 *
 * @param layers paths of layer files, lowest first
 * @param destination a file that does not exist; it appears when it is complete
 * @throws OverlayerError
 *   - as `readErofsLayer` and `ErofsReader`, for each layer
 *   - `AlreadyExists`: the destination exists
 *   - `ResourceExhausted`: all layers together have more than 2 TiB, or the disk is full
 *   - `InvalidArgument`: no layer, or more than 65,535
 * @throws `signal.reason` when the signal is aborted
 */
export async function mergeErofsLayers(
  layers: readonly string[],
  destination: string,
  options: MergeErofsLayersOptions = {},
): Promise<MergedErofsLayers> {
  checkOptions('mergeErofsLayers', options, MERGE_EROFS_LAYERS_OPTIONS);
  const { form = 'metadata', sync = true, signal } = options;
  checkChoice('form', form, ['metadata', 'disk']);
  checkPath('destination', destination);
  for (const layer of layers) checkPath('layers', layer);
  signal?.throwIfAborted();
  return await crews.use(async ({ pipeline, apply }) => {
    pipeline.reset();
    const abort = () => pipeline.gate.abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      const written = await apply.run({ type: 'merge', layers, destination, form, limits: resolveLimits() });
      if (signal?.aborted) await apply.run({ type: 'discard' });
      signal?.throwIfAborted();
      await apply.run({ type: 'commit', sync });
      return written;
    } catch (error) {
      throw signal?.aborted ? signal.reason : error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }, signal);
}

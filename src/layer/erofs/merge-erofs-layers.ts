import { checkArgument, checkChoice, checkOptions, checkPath } from '../../base/check-arguments.js';
import { resolveLimits } from '../../base/limits.js';
import {
  MERGE_EROFS_LAYERS_OPTIONS,
  type MergedErofsLayers,
  type MergeErofsLayersOptions,
} from '../options.js';
import { runAlone } from '../worker/crew.js';

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
  checkArgument('layers', layers, 'strings');
  for (const layer of layers) checkPath('layers', layer);
  const limits = resolveLimits();
  return await runAlone({ type: 'merge', layers, destination, form, limits, sync }, signal);
}

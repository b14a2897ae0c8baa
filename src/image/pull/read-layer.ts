import { closeLayerSource } from '../../layer/open-source.js';
import type { LayerProgress, LayerResult, LayerSource } from '../../layer/options.js';
import type { Descriptor } from '../../oci/descriptor.js';
import { bytesOf, inLayer, isFile, openLayer, otherSize, readWhole } from '../source/blob-bytes.js';
import type { ImageSource } from '../source/image-source.js';
import { CountedBytes } from './counted-bytes.js';
import { stateWhileRead } from './fetch-layer.js';
import type { LayersAhead } from './layers-ahead.js';
import type { LayerState } from './pull-event.js';

interface ReadLayerOptions {
  readonly signal: AbortSignal | undefined;
  /** Has the bytes of some layers. @default none */
  readonly ahead?: LayersAhead<Uint8Array> | undefined;
  readonly onState: (state: LayerState) => void;
}

/**
 * Opens a layer of an image's source, and closes it after the work, which verifies its digests.
 *
 * @param work reads the bytes to their end
 * @throws OverlayerError `DataLoss`: the layer has another size; as `ImageSource.open`; as `work`
 */
export async function readLayer(
  source: ImageSource,
  descriptor: Descriptor,
  { signal, ahead, onState }: ReadLayerOptions,
  work: (bytes: LayerSource, onProgress: (progress: LayerProgress) => void) => Promise<LayerResult>,
): Promise<LayerResult> {
  const { digest, size } = descriptor;
  const bytes = (await ahead?.take(descriptor)) ?? (await openLayer(source, descriptor, { signal })).bytes;
  const counted = isFile(bytes) ? undefined : new CountedBytes(descriptor, bytesOf(bytes));
  try {
    const result = await work(counted ?? bytes, (progress) =>
      onState(stateWhileRead(descriptor, progress, counted?.count)),
    );
    if (result.compressedSize !== size) throw otherSize(descriptor, String(result.compressedSize));
    return result;
  } catch (error) {
    throw inLayer(digest, error);
  } finally {
    if (counted === undefined) closeLayerSource(bytes);
    else counted.cancel();
  }
}

/** Reads a small layer ahead of its turn. Its digest is verified later. @throws OverlayerError as `openLayer`; `DataLoss` */
export async function readIntoMemory(
  source: ImageSource,
  layer: Descriptor,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { bytes } = await openLayer(source, layer, { signal });
  return await readWhole(new CountedBytes(layer, bytesOf(bytes)));
}

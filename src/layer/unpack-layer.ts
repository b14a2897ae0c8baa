import type { LayerResult, LayerSource, UnpackLayerOptions } from './options.js';

export async function unpackLayer(_source: LayerSource, _destination: string, _options: UnpackLayerOptions = {}): Promise<LayerResult> {
  throw new Error('not yet');
}

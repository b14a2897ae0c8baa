import type { LayerResult, LayerSource, ReadLayerOptions } from './options.js';
import type { PlannedOperation } from './operation.js';

/** The operations of a layer, in its order, and what is said of the whole once they have all been read. */
export interface LayerPlan extends AsyncIterable<PlannedOperation> {
  readonly result: Promise<LayerResult>;
}

/** Reads a layer as `unpackLayer` does, and writes nothing: dry run, inspection, audit. */
export function planLayer(_source: LayerSource, _options: ReadLayerOptions = {}): LayerPlan {
  throw new Error('not yet');
}

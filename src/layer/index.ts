export { OverlayerError } from '../base/errors.js';
export type {
  FileRange,
  LayerProgress,
  LayerResult,
  LayerSource,
  ReadLayerOptions,
  UnpackLayerOptions,
} from './options.js';
export { type LayerPlan, planLayer } from './plan-layer.js';
export { unpackLayer, warmUp } from './unpack-layer.js';

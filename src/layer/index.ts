export { OverlayerError } from '../base/errors.js';
export type { Task } from '../base/task.js';
export type {
  FileRange,
  LayerProgress,
  LayerResult,
  LayerSource,
  PlanLayerOptions,
  ReadLayerOptions,
  UnpackLayerOptions,
} from './options.js';
export { planLayer } from './plan-layer.js';
export { unpackLayer, warmUp } from './unpack-layer.js';

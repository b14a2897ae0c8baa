export type { AbortableOptions } from './base/abort.js';
export type { ByteSource } from './base/byte-source.js';
export { type ErrorCode, OverlayerError } from './base/errors.js';
export { DEFAULT_LIMITS, type Limits } from './base/limits.js';
export { displayPath, encodePath } from './base/path-bytes.js';
export type { Anomaly, AnomalyKind, AnomalySummary } from './layer/anomaly.js';
export type { Operation, PlannedOperation } from './layer/operation.js';
export type {
  Compression,
  GzipDecoder,
  LayerProgress,
  LayerResult,
  LayerSource,
  ReadLayerOptions,
  UnpackLayerOptions,
} from './layer/options.js';
export { type LayerPlan, planLayer } from './layer/plan-layer.js';
export { unpackLayer, warmUp } from './layer/unpack-layer.js';
export { type DiffID, type Digest, parseDigest } from './oci/digest.js';
export type { EntryType, TarEntry } from './tar/types.js';

/**
 * `overlayer/layer`: one layer, without images, snapshots or a store. It unpacks a layer into a directory, tells what a
 * layer would do, and makes a layer of a directory's changes.
 *
 * @module overlayer/layer
 */

// Unpacking a layer into a directory.

export type {
  Compression,
  FileRange,
  GzipDecoder,
  LayerProgress,
  LayerResult,
  LayerSource,
  MergedErofsLayers,
  MergeErofsLayersOptions,
  PlanLayerOptions,
  ProgressOptions,
  ReadLayerOptions,
  UnpackLayerOptions,
} from './options.js';
export { unpackLayer, warmUp } from './unpack-layer.js';

// Reading what a layer would do, without writing anything.

export type { EntryType, TarEntry } from '../tar/types.js';
export type { Anomaly, AnomalyKind, AnomalySummary } from './plan/anomaly.js';
export type { Operation, Placed, PlannedOperation } from './plan/operation.js';
export { planLayer } from './plan-layer.js';

// Layer files: EROFS images that hold the tar of a layer.

export { mergeErofsLayers } from './erofs/merge-erofs-layers.js';
export { type ErofsLayerInfo, readErofsLayer } from './erofs/read-erofs-layer.js';
export { type ErofsLayerProgress, readErofsTar, verifyErofsLayer } from './erofs/verify-erofs-layer.js';

// Making a layer of the difference between directories.

export { replaceFile } from '../rootfs/replace-file.js';
export { createDiff } from './diff/create-diff.js';
export type { CreateDiffOptions, DiffResult, DiffSource } from './diff/options.js';

// Digests; entries' names as bytes and as text.

export { displayJson, displayPath, encodePath } from '../base/path-bytes.js';
export { type DiffID, type Digest, parseDigest } from '../oci/digest.js';

// All entry points share these: sources, limits, errors, tasks.

export type { AbortableOptions } from '../base/abort.js';
export type { ByteSource, OpenedBytes, UnreadSource } from '../base/byte-source.js';
export { type ErrorCode, type ErrorDetails, OverlayerError } from '../base/errors.js';
export { DEFAULT_LIMITS, type Limits } from '../base/limits.js';
export type { Task } from '../base/task.js';

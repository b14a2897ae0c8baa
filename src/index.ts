export type { AbortableOptions } from './base/abort.js';
export type { ByteSource } from './base/byte-source.js';
export { type ErrorCode, OverlayerError } from './base/errors.js';
export { DEFAULT_LIMITS, type Limits } from './base/limits.js';
export { displayPath, encodePath } from './base/path-bytes.js';
export type { Anomaly, AnomalyKind, AnomalySummary } from './layer/anomaly.js';
export type { Operation, PlannedOperation } from './layer/operation.js';
export type {
  Compression,
  FileRange,
  GzipDecoder,
  LayerProgress,
  LayerResult,
  LayerSource,
  ReadLayerOptions,
  UnpackLayerOptions,
} from './layer/options.js';
export { type LayerPlan, planLayer } from './layer/plan-layer.js';
export { unpackLayer, warmUp } from './layer/unpack-layer.js';
export type { Labels } from './metadata/labels.js';
export type { SnapshotKind, SnapshotUsage } from './metadata/snapshot-record.js';
export { type DiffID, type Digest, parseDigest } from './oci/digest.js';
export type { BackendSnapshot, Capability, SnapshotBackend, Supplied } from './snapshot/backend.js';
export type {
  CheckFinding,
  CheckOptions,
  CheckProgress,
  CheckReport,
  DamageKind,
  LeftoverKind,
} from './snapshot/check-report.js';
export type { CleanupResult } from './snapshot/cleanup.js';
export { type Mount, mountAll, unmountAll, withMount } from './snapshot/mount.js';
export { type OpenSnapshotterOptions, openSnapshotter } from './snapshot/open-snapshotter.js';
export { type RebuildResult, rebuildMetadata } from './snapshot/rebuild-metadata.js';
export type {
  CommitOptions,
  DescribedContents,
  PrepareOptions,
  SnapshotInfo,
  SnapshotPatch,
  Snapshotter,
} from './snapshot/snapshotter.js';
export {
  type UnpackedSnapshot,
  type UnpackSnapshotOptions,
  unpackSnapshot,
} from './snapshot/unpack-snapshot.js';
export type { EntryType, TarEntry } from './tar/types.js';

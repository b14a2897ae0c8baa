export type { AbortableOptions } from './base/abort.js';
export type { ByteSource } from './base/byte-source.js';
export { type ErrorCode, OverlayerError } from './base/errors.js';
export { DEFAULT_LIMITS, type Limits } from './base/limits.js';
export { displayPath, encodePath } from './base/path-bytes.js';
export {
  type CreatedRuntimeSpec,
  type CreateRuntimeSpecOptions,
  createRuntimeSpec,
} from './image/bundle/create-runtime-spec.js';
export type { RootlessMappings } from './image/bundle/linux.js';
export type { IDMapping, RuntimeSpec } from './image/bundle/runtime-spec.js';
export type { ImageSource, OpenBlob, OpenBlobOptions, SourceImage } from './image/image-source.js';
export { formatFamiliar, formatReference, parseReference, type Reference } from './image/reference.js';
export type { Credentials } from './image/registry/credentials.js';
export { type OpenRegistryOptions, openRegistry } from './image/registry/open-registry.js';
export {
  type ImageVerifier,
  type Judgement,
  type VerifyImageOptions,
  verifyImage,
} from './image/verifier.js';
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

export type { AbortableOptions } from './base/abort.js';
export type { ByteSource } from './base/byte-source.js';
export { type ErrorCode, OverlayerError } from './base/errors.js';
export type { ExactDate } from './base/exact-date.js';
export { DEFAULT_LIMITS, type Limits } from './base/limits.js';
export { displayJson, displayPath, encodePath } from './base/path-bytes.js';
export type { Task } from './base/task.js';
export type {
  BlobHealth,
  BlobInfo,
  BlobPatch,
  CommitIngestOptions,
  ContentStore,
  Ingest,
  IngestInfo,
  OpenIngestOptions,
  ReadBlobOptions,
  SweepOptions,
  SweepResult,
} from './content/content-store.js';
export type {
  CreateLeaseOptions,
  Lease,
  LeaseResource,
  LeaseResourceType,
  Leases,
} from './content/leases.js';
export {
  type ContainerdConfigOptions,
  type ContainerdConfigVersion,
  containerdConfig,
} from './daemon/containerd/containerd-config.js';
export type { LogEntry } from './daemon/grpc/log-entry.js';
export { type Daemon, type ServeOptions, serve } from './daemon/serve.js';
export { type OpenImageArchiveOptions, openImageArchive } from './image/archive/open-image-archive.js';
export {
  type CreatedRuntimeSpec,
  type CreateRuntimeSpecOptions,
  createRuntimeSpec,
} from './image/bundle/create-runtime-spec.js';
export type { RootlessMappings } from './image/bundle/linux.js';
export type { IDMapping, RuntimeSpec } from './image/bundle/runtime-spec.js';
export { type ExportResult, exportImages } from './image/export/export-images.js';
export type { LayerPhase, LayerState, PlannedLayer, PullEvent } from './image/pull/pull-event.js';
export type { GetImageOptions } from './image/pull/pull-image.js';
export { formatFamiliar, formatReference, parseReference, type Reference } from './image/reference.js';
export type { Credentials } from './image/registry/auth/credentials.js';
export { type OpenRegistryOptions, openRegistry } from './image/registry/open-registry.js';
export type { RegistryNotice } from './image/registry/registry-notice.js';
export {
  type DetectedStream,
  detectSource,
  detectStream,
  type StoredImageKind,
} from './image/source/detect-source.js';
export type { ImageContents } from './image/source/image-contents.js';
export type {
  ImageSource,
  OpenBlob,
  OpenBlobOptions,
  PassedOver,
  SourceImage,
} from './image/source/image-source.js';
export {
  type InspectedImage,
  type InspectImagesOptions,
  inspectImages,
} from './image/source/inspect-images.js';
export { type OpenImagesOptions, openImageLayout } from './image/source/open-image-layout.js';
export type { Keeper } from './image/store/find-keepers.js';
export type { CollectResult } from './image/store/garbage.js';
export type { ImageRecord } from './image/store/image-records.js';
export { type OpenStoreOptions, openStore } from './image/store/open-store.js';
export type {
  Image,
  ImageHealth,
  ImagePlatformOptions,
  Images,
  ImageUsage,
  ImportOptions,
  ListImagesOptions,
  MountImageOptions,
  PruneOptions,
  PruneResult,
  PullOptions,
  Store,
} from './image/store/store.js';
export {
  type ImageVerifier,
  type Judgement,
  type VerifyImageOptions,
  verifyImage,
} from './image/store/verifier.js';
export { type UnpackedImage, type UnpackImageOptions, unpackImage } from './image/unpack/unpack-image.js';
export { createDiff } from './layer/diff/create-diff.js';
export type { CreateDiffOptions, DiffResult, DiffSource } from './layer/diff/options.js';
export type {
  Compression,
  FileRange,
  GzipDecoder,
  LayerProgress,
  LayerResult,
  LayerSource,
  PlanLayerOptions,
  ReadLayerOptions,
  UnpackLayerOptions,
} from './layer/options.js';
export type { Anomaly, AnomalyKind, AnomalySummary } from './layer/plan/anomaly.js';
export type { Operation, PlannedOperation } from './layer/plan/operation.js';
export { planLayer } from './layer/plan-layer.js';
export { unpackLayer, warmUp } from './layer/unpack-layer.js';
export type { Labels } from './metadata/labels.js';
export type { SnapshotKind, SnapshotUsage } from './metadata/snapshot-record.js';
export { type Mount, mountAll, unmountAll, withMount } from './mount/mount.js';
export { type ChainID, chainIDs } from './oci/chain-ids.js';
export type { Descriptor } from './oci/descriptor.js';
export { type DiffID, type Digest, parseDigest } from './oci/digest.js';
export type { ImageConfig } from './oci/image-config.js';
export type { ImageIndex, ImageManifest } from './oci/manifest.js';
export { formatPlatform, hostPlatform, type Platform, parsePlatform } from './oci/platform.js';
export type { BackendSnapshot, Capability, SnapshotBackend, Supplied } from './snapshot/backends/backend.js';
export type {
  CheckFinding,
  CheckOptions,
  CheckProgress,
  CheckReport,
  DamageKind,
  LeftoverKind,
} from './snapshot/check/check-report.js';
export type { CleanupResult } from './snapshot/check/cleanup.js';
export { type RebuildResult, rebuildMetadata } from './snapshot/check/rebuild-metadata.js';
export { diffMounts } from './snapshot/diff-mounts.js';
export { diffSnapshot } from './snapshot/diff-snapshot.js';
export type { UnpackedSnapshot } from './snapshot/fill/fill-snapshot.js';
export { type UnpackSnapshotOptions, unpackSnapshot } from './snapshot/fill/unpack-snapshot.js';
export { type OpenSnapshotterOptions, openSnapshotter } from './snapshot/open-snapshotter.js';
export type {
  CommitOptions,
  DescribedContents,
  PrepareOptions,
  SnapshotInfo,
  SnapshotPatch,
  Snapshotter,
} from './snapshot/snapshotter.js';
export type { EntryType, TarEntry } from './tar/types.js';

export type { AbortableOptions } from './base/abort.js';
export type { ByteSource } from './base/byte-source.js';
export { type ErrorCode, OverlayerError } from './base/errors.js';
export type { ExactDate } from './base/exact-date.js';
export { DEFAULT_LIMITS, type Limits } from './base/limits.js';
export { displayJson, displayPath, encodePath } from './base/path-bytes.js';
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
} from './daemon/containerd-config.js';
export type { LogEntry } from './daemon/log-entry.js';
export { type Daemon, type ServeOptions, serve } from './daemon/serve.js';
export {
  type CreatedRuntimeSpec,
  type CreateRuntimeSpecOptions,
  createRuntimeSpec,
} from './image/bundle/create-runtime-spec.js';
export type { RootlessMappings } from './image/bundle/linux.js';
export type { IDMapping, RuntimeSpec } from './image/bundle/runtime-spec.js';
export {
  type DetectedStream,
  detectSource,
  detectStream,
  type StoredImageKind,
} from './image/detect-source.js';
export { exportImages } from './image/export-images.js';
export type { Keeper } from './image/find-keepers.js';
export type { CollectResult } from './image/garbage.js';
export type { ImageContents } from './image/image-contents.js';
export type { ImageRecord } from './image/image-records.js';
export type {
  ImageSource,
  OpenBlob,
  OpenBlobOptions,
  PassedOver,
  SourceImage,
} from './image/image-source.js';
export {
  type InspectedImage,
  type InspectImagesOptions,
  inspectImages,
} from './image/inspect-images.js';
export { type OpenImageArchiveOptions, openImageArchive } from './image/open-image-archive.js';
export { type OpenImagesOptions, openImageLayout } from './image/open-image-layout.js';
export { type OpenStoreOptions, openStore } from './image/open-store.js';
export type { LayerPhase, LayerState, PlannedLayer, PullEvent } from './image/pull/pull-event.js';
export type { GetImageOptions } from './image/pull/pull-image.js';
export { formatFamiliar, formatReference, parseReference, type Reference } from './image/reference.js';
export type { Credentials } from './image/registry/credentials.js';
export { type OpenRegistryOptions, openRegistry } from './image/registry/open-registry.js';
export type { RegistryNotice } from './image/registry/registry-notice.js';
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
} from './image/store.js';
export type { Task } from './image/task.js';
export { type UnpackedImage, type UnpackImageOptions, unpackImage } from './image/unpack-image.js';
export {
  type ImageVerifier,
  type Judgement,
  type VerifyImageOptions,
  verifyImage,
} from './image/verifier.js';
export type { Anomaly, AnomalyKind, AnomalySummary } from './layer/anomaly.js';
export { createDiff } from './layer/diff/create-diff.js';
export type { CreateDiffOptions, Diff, DiffResult, DiffSource } from './layer/diff/options.js';
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
export { type ChainID, chainIDs } from './oci/chain-ids.js';
export type { Descriptor } from './oci/descriptor.js';
export { type DiffID, type Digest, parseDigest } from './oci/digest.js';
export type { ImageConfig } from './oci/image-config.js';
export type { ImageIndex, ImageManifest } from './oci/manifest.js';
export { formatPlatform, hostPlatform, type Platform, parsePlatform } from './oci/platform.js';
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
export { diffMounts } from './snapshot/diff-mounts.js';
export { diffSnapshot } from './snapshot/diff-snapshot.js';
export type { UnpackedSnapshot } from './snapshot/fill-snapshot.js';
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
export { type UnpackSnapshotOptions, unpackSnapshot } from './snapshot/unpack-snapshot.js';
export type { EntryType, TarEntry } from './tar/types.js';

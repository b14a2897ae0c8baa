/**
 * `overlayer/images`: whole images. They come from registries, archives and layouts. They are unpacked into a directory,
 * or kept in a store of content and snapshots.
 *
 * @module overlayer/images
 */

// Opening what images come from.

export type { OpenImageArchiveOptions } from './archive/image-archive.js';
export type { Credentials } from './registry/auth/credentials.js';
export { openRegistry } from './registry/open-registry.js';
export type { OpenRegistryOptions } from './registry/registry-access.js';
export type { RegistryNotice } from './registry/registry-notice.js';
export {
  type DetectedStream,
  detectSource,
  detectStream,
  type StoredImageKind,
} from './source/detect-source.js';
export type {
  ImageSource,
  ListSourceImagesOptions,
  OpenBlob,
  OpenBlobOptions,
  OpenImagesOptions,
  PassedOver,
  SourceImage,
} from './source/image-source.js';
export { openImageArchive, openImageLayout } from './source/open-local-images.js';

// Writing images.

export { copyImage } from './copy/copy-image.js';
export type {
  ConvertEvent,
  ConvertOptions,
  CopiedImage,
  CopyEvent,
  CopyOptions,
  PushOptions,
  RewriteOptions,
} from './copy/options.js';
export { type OpenRegistryTargetOptions, openRegistryTarget } from './registry/push/open-registry-target.js';
export type { ImageArchiveFormat } from './target/archive-target.js';
export {
  type CreateImageArchiveOptions,
  createImageArchive,
  createImageLayout,
} from './target/create-target.js';
export type {
  HasBlobOptions,
  ImageTarget,
  NewBlob,
  TargetForm,
  WriteBlobOptions,
} from './target/image-target.js';

// Inspecting an image, or unpacking it into one directory: no store is needed.

export type { ImageContents } from './source/image-contents.js';
export { type InspectedImage, type InspectImagesOptions, inspectImages } from './source/inspect-images.js';
export type { UnpackedImage, UnpackImageOptions } from './unpack/options.js';
export { unpackImage } from './unpack/unpack-image.js';

// A store: pulls, imports, lists, mounts and removes images; deletes data that no image uses.

export type { MergedErofsLayers } from '../layer/options.js';
export type { FileChange } from './build/compare-images.js';
export type {
  BuildEvent,
  BuildOptions,
  CommitImageOptions,
  CreateImageOptions,
  NewLayer,
  RebaseImageOptions,
  SquashImageOptions,
} from './build/options.js';
export type { LayerPhase, LayerState, PlannedLayer, PullEvent } from './pull/pull-event.js';
export type { GetImageOptions } from './pull/pull-image.js';
export type { Keeper } from './store/find-keepers.js';
export type { CollectResult } from './store/garbage.js';
export type { ImageRecord } from './store/image-records.js';
export { openStore, readImages } from './store/open-store.js';
export type {
  DiffImagesOptions,
  Image,
  ImageHealth,
  ImagePlatformOptions,
  Images,
  ImageUsage,
  ImportOptions,
  ListedImage,
  MountImageOptions,
  OpenStoreOptions,
  PruneOptions,
  PruneResult,
  PullOptions,
  Store,
  WriteDiskOptions,
} from './store/store.js';

// A store's content: blobs by digest, and the leases that keep them.

export type { ExactDate } from '../base/exact-date.js';
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
} from '../content/content-store.js';
export type {
  CreateLeaseOptions,
  Lease,
  LeaseResource,
  LeaseResourceType,
  Leases,
} from '../content/leases.js';
export type { ListOptions } from '../metadata/filter-by.js';
export type { Labels, UpdateOptions } from '../metadata/labels.js';

// Verifying an image before it enters a store.

export {
  type ImageVerifier,
  type Judgement,
  type VerifyImageOptions,
  verifyImage,
} from './store/verify-image.js';

// Exporting images; making a runtime's configuration.

export { createRuntimeSpec } from './bundle/create-runtime-spec.js';
export type {
  CreatedRuntimeSpec,
  CreateRuntimeSpecOptions,
  IDMapping,
  RootlessMappings,
  RuntimeFreeBSD,
  RuntimeLinux,
  RuntimeMount,
  RuntimeProcess,
  RuntimeSpec,
  RuntimeUser,
} from './bundle/runtime-spec.js';
export { type ExportOptions, type ExportResult, exportImages } from './export/export-images.js';

// The image specification's names and documents.

export { type ChainID, chainIDs } from '../oci/chain-ids.js';
export type { Descriptor } from '../oci/descriptor.js';
export { type DiffID, type Digest, parseDigest } from '../oci/digest.js';
export type { UnreadField } from '../oci/document.js';
export type { ConfigChanges } from '../oci/edit-config.js';
export type { HistoryEntry, ImageConfig } from '../oci/image-config.js';
export type { ImageIndex, ImageManifest, UnreadableEntry } from '../oci/manifest.js';
export { formatPlatform, hostPlatform, type Platform, parsePlatform } from '../oci/platform.js';
export {
  formatFamiliar,
  formatReference,
  parseReference,
  type Reference,
  type ReferenceParts,
} from './reference.js';

// All entry points share these: cancelling, errors, tasks.

export type { AbortableOptions } from '../base/abort.js';
export { type ErrorCode, type ErrorDetails, OverlayerError } from '../base/errors.js';
export type { Task } from '../base/task.js';

/**
 * `overlayer/snapshots`: layers as snapshots in parent chains, kept on disk. A snapshotter prepares, commits, lists,
 * checks and removes them; their root filesystems are mounted.
 *
 * @module overlayer/snapshots
 */

// Opening a snapshotter; its contract.

export type { ListOptions } from '../metadata/filter-by.js';
export type { Labels, UpdateOptions } from '../metadata/labels.js';
export { type FilterCondition, readFilter } from '../metadata/read-filter.js';
export type { SnapshotKind, SnapshotUsage } from '../metadata/snapshot-records.js';
export type {
  BackendSnapshot,
  Capability,
  CreateOptions,
  MountsOptions,
  SnapshotBackend,
  Supplied,
} from './backends/backend.js';
export { openSnapshotter } from './open-snapshotter.js';
export type {
  CommitOptions,
  OpenSnapshotterOptions,
  PrepareOptions,
  SnapshotInfo,
  SnapshotPatch,
  Snapshotter,
  ViewOptions,
} from './snapshotter.js';

// Unpacking a layer into a snapshot; making a layer of a snapshot's changes.

export { type ChainID, chainIDs } from '../oci/chain-ids.js';
export { diffMounts, diffSnapshot } from './diff-snapshot.js';
export type { UnpackedSnapshot } from './fill/fill-snapshot.js';
export { type UnpackSnapshotOptions, unpackSnapshot } from './fill/unpack-snapshot.js';

// Mounting what a snapshotter returns.

export type { Mount } from '../mount/mount.js';
export { mountAll, unmountAll, withMount } from '../mount/mounting.js';
export { withoutTemplates } from '../mount/templates.js';
export type { LockWait } from '../rootfs/wait-for-lock.js';

// Checking and repairing.

export type {
  CheckFinding,
  CheckOptions,
  CheckProgress,
  CheckReport,
  DamageKind,
  LeftoverKind,
} from './check/check-report.js';
export type { CleanupResult } from './check/leftovers.js';
export { rebuildMetadata } from './check/rebuild-metadata.js';
export type { RebuildResult } from './check/rebuild-root.js';

// All entry points share these: cancelling, errors, tasks.

export type { AbortableOptions } from '../base/abort.js';
export { type ErrorCode, type ErrorDetails, OverlayerError } from '../base/errors.js';
export type { Task } from '../base/task.js';

import type { FieldMaskMessage, LabelsMessage, MountMessage, TimestampMessage } from '../messages.js';

export interface SnapshotterRequest {
  /** The name that containerd's configuration gives the plugin. */
  readonly snapshotter: string;
}

export interface KeyRequest extends SnapshotterRequest {
  readonly key: string;
}

/** The request of Prepare and View. */
export interface PrepareRequest extends KeyRequest {
  readonly parent: string;
  readonly labels: LabelsMessage;
}

export interface CommitRequest extends PrepareRequest {
  readonly name: string;
}

export interface UpdateSnapshotRequest extends SnapshotterRequest {
  readonly info: SnapshotInfoMessage | null;
  readonly updateMask: FieldMaskMessage | null;
}

export interface ListSnapshotsRequest extends SnapshotterRequest {
  readonly filters: readonly string[];
}

/** The answer of Prepare, View and Mounts. */
export interface MountsResponse {
  readonly mounts: readonly MountMessage[];
}

export interface SnapshotInfoMessage {
  readonly name: string;
  readonly parent: string;
  readonly kind: 'UNKNOWN' | 'VIEW' | 'ACTIVE' | 'COMMITTED';
  readonly createdAt: TimestampMessage;
  readonly updatedAt: TimestampMessage;
  readonly labels: LabelsMessage;
}

/** The answer of Stat and Update. */
export interface StatResponse {
  readonly info: SnapshotInfoMessage;
}

export interface ListSnapshotsResponse {
  readonly info: readonly SnapshotInfoMessage[];
}

export interface UsageResponse {
  readonly size: number;
  readonly inodes: number;
}

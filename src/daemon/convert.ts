import { OverlayerError } from '../base/errors.js';
import { ExactDate } from '../base/exact-date.js';
import type { BlobInfo, IngestInfo } from '../content/content-store.js';
import type { Mount } from '../mount/mount.js';
import type { SnapshotInfo } from '../snapshot/snapshotter.js';
import type { BlobInfoMessage, StatusMessage } from './content/content-messages.js';
import type { MountMessage, TimestampMessage } from './messages.js';
import type { SnapshotInfoMessage } from './snapshots/snapshots-messages.js';

// Conversions between the library's types and gRPC messages. An absent field is '' or 0 in a message, and undefined in
// the library.

const KINDS = { active: 'ACTIVE', view: 'VIEW', committed: 'COMMITTED' } as const;

export function toTimestamp(date: Date): TimestampMessage {
  const milliseconds = date.getTime();
  const seconds = Math.floor(milliseconds / 1000);
  return {
    seconds,
    nanos: date instanceof ExactDate ? date.nanoseconds : (milliseconds - seconds * 1000) * 1e6,
  };
}

export function toMount({ type, source, target = '', options }: Mount): MountMessage {
  return { type, source, target, options };
}

export function fromMount({ type, source, target, options }: MountMessage): Mount {
  return { type, source, target: orUndefined(target), options };
}

export function toSnapshotInfo(info: SnapshotInfo): SnapshotInfoMessage {
  const { name, parent = '', kind, createdAt, updatedAt, labels } = info;
  const times = { createdAt: toTimestamp(createdAt), updatedAt: toTimestamp(updatedAt) };
  return { name, parent, kind: KINDS[kind], labels, ...times };
}

export function toBlobInfo({ digest, size, labels, createdAt, updatedAt }: BlobInfo): BlobInfoMessage {
  return { digest, size, labels, createdAt: toTimestamp(createdAt), updatedAt: toTimestamp(updatedAt) };
}

export function toIngestStatus({ ref, offset, size = 0, startedAt, updatedAt }: IngestInfo): StatusMessage {
  const times = { startedAt: toTimestamp(startedAt), updatedAt: toTimestamp(updatedAt) };
  return { ref, offset, total: size, expected: '', ...times };
}

export function orUndefined(text: string): string | undefined {
  return text === '' ? undefined : text;
}

/** Checks that an inner message is present. @throws OverlayerError `InvalidArgument` */
export function required<T>(message: T | null, field: string): T {
  if (message === null) throw new OverlayerError('InvalidArgument', `The request has no "${field}"`);
  return message;
}

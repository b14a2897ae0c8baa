import { OverlayerError } from '../base/errors.js';
import type { Labels } from './labels.js';
import type { Value } from './metadata-store.js';

/** See `snapshot/snapshotter.ts`, which tells what each kind is for. */
export type SnapshotKind = 'active' | 'view' | 'committed';

/** What a snapshot takes by itself, without its parents. */
export interface SnapshotUsage {
  /** Bytes of the blocks it fills; a file with several hard links counts once. */
  readonly bytes: number;
  /** Files, directories and all else, its root included. */
  readonly inodes: number;
}

/** What is stored of a snapshot, by its key or name. */
export interface SnapshotRecord {
  /** Names its directory. Stays when it is committed, and is never given to another. */
  readonly id: number;
  readonly kind: SnapshotKind;
  readonly parent: string | undefined;
  readonly labels: Labels;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Of committed ones: what it was then. */
  readonly usage: SnapshotUsage | undefined;
  /** Active, and already filled by the backend: it may only be committed. */
  readonly staged: boolean;
}

export function encodeRecord(record: SnapshotRecord): Value {
  const { parent, usage, staged, ...always } = record;
  return {
    ...always,
    ...(parent === undefined ? {} : { parent }),
    ...(usage === undefined ? {} : { usage: { ...usage } }),
    ...(staged ? { staged } : {}),
  };
}

/** @throws OverlayerError `DataLoss` when it is not a record */
export function decodeRecord(name: string, value: Value): SnapshotRecord {
  const record = value as unknown as Partial<SnapshotRecord> | null;
  const sound =
    typeof record === 'object' &&
    record !== null &&
    Number.isSafeInteger(record.id) &&
    ['active', 'view', 'committed'].includes(record.kind!) &&
    typeof record.labels === 'object' &&
    Number.isFinite(record.createdAt) &&
    Number.isFinite(record.updatedAt);
  if (!sound)
    throw new OverlayerError('DataLoss', `The record of snapshot "${name}" is damaged`, {
      hint: 'overlayer snapshots check --rebuild recovers what the directories show',
    });
  return { parent: undefined, usage: undefined, staged: false, ...record } as SnapshotRecord;
}

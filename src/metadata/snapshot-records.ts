import { OverlayerError } from '../base/errors.js';
import { type Labels, updateLabels } from './labels.js';
import type { Key, ReadTransaction, Value, WriteTransaction } from './metadata-store.js';
import { canBeName } from './name.js';

/** The kinds are described in `snapshot/snapshotter.ts`. */
export type SnapshotKind = 'active' | 'view' | 'committed';

/** Disk usage of a snapshot without its parents. */
export interface SnapshotUsage {
  /** Bytes of its blocks. A file with several hard links counts once. */
  readonly bytes: number;
  /** Number of files, directories and others, including its root. */
  readonly inodes: number;
}

/** The stored record of a snapshot, by its key or name. */
interface SnapshotRecord {
  /** Name of its directory. A commit does not change it, and it is never reused. */
  readonly id: number;
  readonly kind: SnapshotKind;
  readonly parent: string | undefined;
  readonly labels: Labels;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Usage at the commit; undefined for other kinds. */
  readonly usage: SnapshotUsage | undefined;
  /** Whether it is active and already filled by the backend, so that it may only be committed. */
  readonly staged: boolean;
}

function encodeRecord(record: SnapshotRecord): Value {
  const { parent, usage, staged, ...always } = record;
  return {
    ...always,
    ...(parent === undefined ? {} : { parent }),
    ...(usage === undefined ? {} : { usage: { ...usage } }),
    ...(staged ? { staged } : {}),
  };
}

/** @throws OverlayerError `DataLoss` when the record is malformed */
function decodeRecord(name: string, value: Value): SnapshotRecord {
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

// The rules of containerd's core/snapshots/storage, one function for each of its operations. Beside the records
// an index maps each parent to its children (both by id), so that no operation reads all snapshots.

const RECORDS: Key = ['snapshot'];
const recordKey = (name: string): Key => ['snapshot', name];
const childKey = (parent: SnapshotRecord, child: SnapshotRecord): Key => ['child', parent.id, child.id];
const NEXT_ID: Key = ['next id'];

export interface NamedRecord extends SnapshotRecord {
  readonly name: string;
}

type NewRecord = Pick<NamedRecord, 'name' | 'id' | 'kind' | 'parent' | 'labels' | 'staged'>;

interface CommitRecord {
  readonly name: string;
  /** The parent of a snapshot that has none yet. */
  readonly parent: string | undefined;
  readonly labels: Labels;
  readonly usage: SnapshotUsage;
}

/** Reserves `count` ids. Ids ascend over all processes. @returns the first id */
export function reserveIds(transaction: WriteTransaction, count: number): number {
  const next = (transaction.get(NEXT_ID) as number | undefined) ?? 1;
  transaction.put(NEXT_ID, next + count);
  return next;
}

export function findRecord(transaction: ReadTransaction, name: string): NamedRecord | undefined {
  const value = canBeName(name) ? transaction.get(recordKey(name)) : undefined;
  return value === undefined ? undefined : { name, ...decodeRecord(name, value) };
}

/** @throws OverlayerError `NotFound` */
export function getRecord(transaction: ReadTransaction, name: string): NamedRecord {
  const record = findRecord(transaction, name);
  if (record === undefined) throw new OverlayerError('NotFound', `Snapshot "${name}" does not exist`);
  return record;
}

/** The snapshots below `record`, nearest first. */
export function getAncestors(
  transaction: ReadTransaction,
  record: Pick<SnapshotRecord, 'parent'>,
): NamedRecord[] {
  const ancestors: NamedRecord[] = [];
  for (let name = record.parent; name !== undefined; name = ancestors.at(-1)!.parent)
    ancestors.push(getRecord(transaction, name));
  return ancestors;
}

/** The children of `name`, in the order of their creation. */
function* getChildren(transaction: ReadTransaction, name: string): Generator<NamedRecord> {
  const prefix: Key = ['child', getRecord(transaction, name).id];
  for (const { value } of transaction.entries(prefix)) yield getRecord(transaction, value as string);
}

/** The first snapshots after the name `after`, sorted by name, `limit` at most. */
export function listRecords(transaction: ReadTransaction, after?: string, limit = Infinity): NamedRecord[] {
  const records: NamedRecord[] = [];
  for (const { key, value } of transaction.entries(
    RECORDS,
    after === undefined ? RECORDS : recordKey(after),
  )) {
    const name = key[1] as string;
    if (records.push({ name, ...decodeRecord(name, value) }) >= limit) break;
  }
  return records;
}

/** @throws OverlayerError `AlreadyExists` */
export function checkNameIsFree(transaction: ReadTransaction, name: string): void {
  if (transaction.get(recordKey(name)) !== undefined)
    throw new OverlayerError('AlreadyExists', `Snapshot "${name}" already exists`);
}

/** @throws OverlayerError `NotFound`; `code` when it is not committed */
export function checkParent(
  transaction: ReadTransaction,
  parent: string | undefined,
  code: 'InvalidArgument' | 'FailedPrecondition',
): void {
  if (parent === undefined || getRecord(transaction, parent).kind === 'committed') return;
  throw new OverlayerError(code, `Snapshot "${parent}" can't be a parent: it is not committed`);
}

/** @throws OverlayerError `AlreadyExists`, `NotFound` (the parent), `InvalidArgument` (the parent is not committed) */
export function createRecord(transaction: WriteTransaction, record: NewRecord): NamedRecord {
  checkNameIsFree(transaction, record.name);
  checkParent(transaction, record.parent, 'InvalidArgument');
  const now = Date.now();
  const created = { ...record, createdAt: now, updatedAt: now, usage: undefined };
  putRecord(transaction, created);
  return created;
}

/** @throws OverlayerError `NotFound`, `InvalidArgument` (a field path outside `labels`) */
export function updateRecord(
  transaction: WriteTransaction,
  name: string,
  labels: Labels,
  paths: readonly string[],
): NamedRecord {
  const record = getRecord(transaction, name);
  // Two updates within a millisecond get different times.
  const updatedAt = Math.max(Date.now(), record.updatedAt + 1);
  const updated = { ...record, labels: updateLabels(record.labels, labels, paths), updatedAt };
  putRecord(transaction, updated);
  return updated;
}

/**
 * Checks a commit before its work is done.
 *
 * @returns the active snapshot, with its future parent
 * @throws OverlayerError as `commitRecord`
 */
export function checkCommit(
  transaction: ReadTransaction,
  key: string,
  { name, parent }: Pick<CommitRecord, 'name' | 'parent'>,
): NamedRecord {
  const active = getRecord(transaction, key);
  if (active.kind !== 'active')
    throw new OverlayerError(
      'FailedPrecondition',
      `Snapshot "${key}" can't be committed: its kind is ${active.kind}`,
    );
  checkNameIsFree(transaction, name);
  if (parent === undefined || parent === active.parent) return active;
  if (active.parent !== undefined)
    throw new OverlayerError(
      'InvalidArgument',
      `Snapshot "${key}" has the parent "${active.parent}" and can't get "${parent}"`,
    );
  checkParent(transaction, parent, 'FailedPrecondition');
  return { ...active, parent };
}

/**
 * Turns the active snapshot `key` into the committed snapshot `name`, with the same id and without its labels.
 *
 * @throws OverlayerError
 *   - `NotFound`: no `key`, or no `parent`
 *   - `AlreadyExists`: there is a `name`
 *   - `FailedPrecondition`: `key` is not active, or `parent` not committed
 *   - `InvalidArgument`: it has another parent already
 */
export function commitRecord(transaction: WriteTransaction, key: string, commit: CommitRecord): NamedRecord {
  const { id, parent } = checkCommit(transaction, key, commit);
  const { name, labels, usage } = commit;
  deleteRecord(transaction, getRecord(transaction, key));
  const now = Date.now();
  const committed: NamedRecord = {
    ...{ name, id, kind: 'committed', parent, labels, usage },
    ...{ createdAt: now, updatedAt: now, staged: false },
  };
  putRecord(transaction, committed);
  return committed;
}

/** @throws OverlayerError `NotFound`, `FailedPrecondition` (it has children) */
export function removeRecord(transaction: WriteTransaction, name: string): NamedRecord {
  const record = getRecord(transaction, name);
  const [child] = getChildren(transaction, name);
  if (child !== undefined)
    throw new OverlayerError(
      'FailedPrecondition',
      `Cannot remove snapshot "${name}": "${child.name}" is on it`,
    );
  deleteRecord(transaction, record);
  return record;
}

/** Writes records into a new store. Parents come first. The next new id is `nextId`. */
export function restoreRecords(
  transaction: WriteTransaction,
  records: readonly NamedRecord[],
  nextId: number,
): void {
  for (const record of records) putRecord(transaction, record);
  transaction.put(NEXT_ID, nextId);
}

function putRecord(transaction: WriteTransaction, { name, ...record }: NamedRecord): void {
  transaction.put(recordKey(name), encodeRecord(record));
  if (record.parent !== undefined)
    transaction.put(childKey(getRecord(transaction, record.parent), record), name);
}

function deleteRecord(transaction: WriteTransaction, record: NamedRecord): void {
  transaction.delete(recordKey(record.name));
  if (record.parent !== undefined)
    transaction.delete(childKey(getRecord(transaction, record.parent), record));
}

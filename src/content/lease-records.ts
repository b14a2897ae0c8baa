import { OverlayerError } from '../base/errors.js';
import { type Labels, updateLabels } from '../metadata/labels.js';
import type { Key, ReadTransaction, WriteTransaction } from '../metadata/metadata-store.js';
import type { Digest } from '../oci/digest.js';
import type { Lease, LeaseResource, LeaseResourceType } from './leases.js';
import { noteUse } from './uses.js';

/** containerd's label for the time at which a lease ends (RFC 3339). */
export const EXPIRE_LABEL = 'containerd.io/gc.expire';

const RECORDS: Key = ['lease'];
const recordKey = (id: string): Key => ['lease', id];
const resourcesKey = (id: string): Key => ['lease resource', id];
const resourceKey = (id: string, resource: LeaseResource): Key => [
  ...resourcesKey(id),
  resource.type,
  resource.id,
];

interface LeaseRecord {
  readonly labels: Labels;
  /** Both times are in milliseconds since the epoch. */
  readonly createdAt: number;
  readonly expiresAt: number | null;
  /** Id of the process that the lease is tied to. Records of earlier versions lack it. */
  readonly process?: number | null;
}

/** The facts that decide whether a lease has ended. */
export interface LeaseEnds {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Whether the process that the lease is tied to is running. */
  readonly isHeld: (id: string) => boolean;
}

/** @throws OverlayerError `AlreadyExists`; `InvalidArgument` (an invalid label) */
export function createLease(
  transaction: WriteTransaction,
  { id, labels, process }: { readonly id: string; readonly labels: Labels; readonly process: number | null },
  ends: LeaseEnds,
): Lease {
  if (findLease(transaction, id, ends) !== undefined)
    throw new OverlayerError('AlreadyExists', `Lease "${id}" already exists`);
  releaseLease(transaction, id); // a lease with this id that has ended
  const checked = updateLabels({}, labels, []);
  const expiresAt = parseTime(checked[EXPIRE_LABEL])?.getTime() ?? null;
  const record = { labels: checked, createdAt: ends.now, expiresAt, process };
  transaction.put(recordKey(id), record);
  return toLease(id, record);
}

/** @throws OverlayerError `NotFound`: it does not exist, or has ended */
export function getLease(transaction: ReadTransaction, id: string, ends: LeaseEnds): Lease {
  const lease = findLease(transaction, id, ends);
  if (lease === undefined) throw new OverlayerError('NotFound', `Lease "${id}" does not exist`);
  return lease;
}

/** @returns undefined when it does not exist, or has ended */
export function findLease(transaction: ReadTransaction, id: string, ends: LeaseEnds): Lease | undefined {
  const record = transaction.get(recordKey(id)) as LeaseRecord | undefined;
  return record === undefined || hasEnded(id, record, ends) ? undefined : toLease(id, record);
}

/** All leases that have not ended. */
export function* listLeases(transaction: ReadTransaction, ends: LeaseEnds): Generator<Lease> {
  for (const { key, value } of transaction.entries(RECORDS)) {
    const id = key[1] as string;
    const record = value as unknown as LeaseRecord;
    if (!hasEnded(id, record, ends)) yield toLease(id, record);
  }
}

export function* listResources(transaction: ReadTransaction, id: string): Generator<LeaseResource> {
  for (const { key } of transaction.entries(resourcesKey(id)))
    yield { type: key[2] as LeaseResourceType, id: key[3] as string };
}

/** The resources of all leases that have not ended. */
export function* heldResources(transaction: ReadTransaction, ends: LeaseEnds): Generator<LeaseResource> {
  for (const { id } of listLeases(transaction, ends)) yield* listResources(transaction, id);
}

export function addResource(transaction: WriteTransaction, id: string, resource: LeaseResource): void {
  transaction.put(resourceKey(id, resource), true);
}

export function removeResource(transaction: WriteTransaction, id: string, resource: LeaseResource): void {
  if (transaction.get(resourceKey(id, resource)) === undefined) return;
  transaction.delete(resourceKey(id, resource));
  // A running collection may have looked for references before one was made, and looks at the leases only afterwards.
  // The use keeps the blob until the next collection.
  if (resource.type === 'content') noteUse(transaction, resource.id);
}

/** Deletes a lease and its list of resources. */
export function releaseLease(transaction: WriteTransaction, id: string): void {
  for (const resource of [...listResources(transaction, id)]) removeResource(transaction, id, resource);
  transaction.delete(recordKey(id));
}

/** Deletes all leases that have ended. */
export function releaseEnded(transaction: WriteTransaction, ends: LeaseEnds): void {
  const ended = Array.from(transaction.entries(RECORDS)).filter(({ key, value }) =>
    hasEnded(key[1] as string, value as unknown as LeaseRecord, ends),
  );
  for (const { key } of ended) releaseLease(transaction, key[1] as string);
}

/** Leases that hold an ingest hold the blob from its commit on. */
export function handOver(transaction: WriteTransaction, ref: string, digest: Digest): void {
  // Leases that have ended are included. The next collection deletes them.
  for (const { key } of [...transaction.entries(RECORDS)]) {
    const id = key[1] as string;
    const ingest: LeaseResource = { type: 'ingest', id: ref };
    if (transaction.get(resourceKey(id, ingest)) === undefined) continue;
    removeResource(transaction, id, ingest);
    addResource(transaction, id, { type: 'content', id: digest });
  }
}

function hasEnded(id: string, { expiresAt, process }: LeaseRecord, { now, isHeld }: LeaseEnds): boolean {
  if (expiresAt !== null && expiresAt <= now) return true;
  return typeof process === 'number' && !isHeld(id);
}

function toLease(id: string, { labels, createdAt, expiresAt, process }: LeaseRecord): Lease {
  return {
    id,
    labels,
    createdAt: new Date(createdAt),
    expiresAt: expiresAt === null ? undefined : new Date(expiresAt),
    process: process ?? undefined,
  };
}

function parseTime(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const time = new Date(text);
  if (
    /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/.test(text) &&
    !Number.isNaN(time.getTime())
  )
    return time;
  throw new OverlayerError('InvalidArgument', `Label "${EXPIRE_LABEL}" is not a time: "${text}"`, {
    hint: 'as in RFC 3339: 2026-01-31T12:00:00Z',
  });
}

import { OverlayerError } from '../base/errors.js';
import { ExactDate } from '../base/exact-date.js';
import { type Labels, updateLabels } from '../metadata/labels.js';
import type { Key, ReadTransaction, WriteTransaction } from '../metadata/metadata-store.js';
import type { Digest } from '../oci/digest.js';
import type { BlobFiles } from './blob-files.js';
import type { BlobInfo } from './content-store.js';
import { forgetUse, listUses, noteUse } from './uses.js';

// What is known of a blob beside its bytes. The file says whether there is a blob: a record without one says nothing.

const RECORDS: Key = ['blob'];
const recordKey = (digest: Digest): Key => ['blob', digest];

interface BlobRecord {
  readonly labels: Labels;
  /** Milliseconds since the epoch, both. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Of their seconds. Older records lack them. */
  readonly createdNanos?: number;
  readonly updatedNanos?: number;
}

/** @throws OverlayerError `DataLoss` when its record is damaged */
export function findBlob(
  transaction: ReadTransaction,
  files: BlobFiles,
  digest: Digest,
): BlobInfo | undefined {
  const file = files.find(digest);
  if (file === undefined) return undefined;
  const value = transaction.get(recordKey(digest));
  const { size, writtenAt } = file;
  if (value === undefined) return { digest, size, labels: {}, createdAt: writtenAt, updatedAt: writtenAt };
  const { labels, createdAt, createdNanos, updatedAt, updatedNanos } = decodeRecord(digest, value);
  const times = { createdAt: toDate(createdAt, createdNanos), updatedAt: toDate(updatedAt, updatedNanos) };
  return { digest, size, labels, ...times };
}

/** @throws OverlayerError `NotFound` */
export function getBlob(transaction: ReadTransaction, files: BlobFiles, digest: Digest): BlobInfo {
  const blob = findBlob(transaction, files, digest);
  if (blob === undefined) throw blobNotFound(digest);
  return blob;
}

export function blobNotFound(digest: Digest): OverlayerError {
  return new OverlayerError('NotFound', `Blob ${digest} does not exist`);
}

export function blobExists(digest: Digest): OverlayerError {
  return new OverlayerError('AlreadyExists', `Blob ${digest} is already there`);
}

/** Makes the blob of a file that is verified and synced; or puts that file in the place of the one that is there. */
export function createBlob(
  transaction: WriteTransaction,
  files: BlobFiles,
  from: string,
  digest: Digest,
  labels: Labels,
  now: ExactDate,
): BlobInfo {
  const before = findBlob(transaction, files, digest);
  const all = updateLabels({}, { ...before?.labels, ...labels }, []);
  files.publish(from, digest);
  return putBlob(transaction, files, digest, {
    labels: all,
    createdAt: before?.createdAt ?? now,
    updatedAt: now,
  });
}

/** @throws OverlayerError `NotFound`, `InvalidArgument` (a path to something else than labels) */
export function updateBlob(
  transaction: WriteTransaction,
  files: BlobFiles,
  digest: Digest,
  labels: Labels,
  paths: readonly string[],
  now: ExactDate,
): BlobInfo {
  const before = getBlob(transaction, files, digest);
  const all = updateLabels(before.labels, labels, paths);
  return putBlob(transaction, files, digest, { labels: all, createdAt: before.createdAt, updatedAt: now });
}

/** @returns the bytes that it had @throws OverlayerError `NotFound` */
export function deleteBlob(transaction: WriteTransaction, files: BlobFiles, digest: Digest): number {
  const file = files.find(digest);
  if (file === undefined) throw blobNotFound(digest);
  files.remove(digest);
  forgetBlob(transaction, digest);
  return file.size;
}

/** What is noted of blobs that are not there. */
export function listForgotten(transaction: ReadTransaction, files: BlobFiles): Digest[] {
  const digests = new Set(listUses(transaction));
  for (const { key } of transaction.entries(RECORDS)) digests.add(key[1] as Digest);
  return [...digests].filter((digest) => files.find(digest) === undefined);
}

export function forgetBlob(transaction: WriteTransaction, digest: Digest): void {
  transaction.delete(recordKey(digest));
  forgetUse(transaction, digest);
}

function putBlob(
  transaction: WriteTransaction,
  files: BlobFiles,
  digest: Digest,
  { labels, createdAt, updatedAt }: Pick<BlobInfo, 'labels' | 'createdAt' | 'updatedAt'>,
): BlobInfo {
  const record: BlobRecord = {
    labels,
    createdAt: createdAt.getTime(),
    createdNanos: createdAt.nanoseconds,
    updatedAt: updatedAt.getTime(),
    updatedNanos: updatedAt.nanoseconds,
  };
  transaction.put(recordKey(digest), { ...record });
  noteUse(transaction, digest);
  return getBlob(transaction, files, digest);
}

function decodeRecord(digest: Digest, value: unknown): BlobRecord {
  const record = value as Partial<BlobRecord> | null;
  const sound =
    typeof record === 'object' &&
    record !== null &&
    typeof record.labels === 'object' &&
    Number.isFinite(record.createdAt) &&
    Number.isFinite(record.updatedAt);
  if (!sound)
    throw new OverlayerError('DataLoss', `The record of blob ${digest} is damaged`, {
      hint: 'delete the blob, and fetch it again',
    });
  return record as BlobRecord;
}

function toDate(milliseconds: number, nanoseconds = (milliseconds % 1000) * 1e6): ExactDate {
  return new ExactDate(Math.floor(milliseconds / 1000), nanoseconds);
}

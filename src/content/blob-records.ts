import { OverlayerError } from '../base/errors.js';
import { ExactDate } from '../base/exact-date.js';
import { type Labels, updateLabels } from '../metadata/labels.js';
import type { Key, ReadTransaction, WriteTransaction } from '../metadata/metadata-store.js';
import type { Digest } from '../oci/digest.js';
import type { BlobFiles } from './blob-files.js';
import type { BlobInfo } from './content-store.js';
import { forgetUse, listUses, noteUse } from './uses.js';

// Labels and times of blobs. A blob exists if its file exists; a record without a file has no meaning.

const RECORDS: Key = ['blob'];
const recordKey = (digest: Digest): Key => ['blob', digest];

interface BlobRecord {
  readonly labels: Labels;
  /** Both times are in milliseconds since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Nanoseconds within the second of both times. Records of earlier versions lack them. */
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

/** Makes a blob of a verified and synced file, or replaces the existing blob's file. */
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

/** @throws OverlayerError `NotFound`, `InvalidArgument` (a field path outside `labels`) */
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

/** @returns the size of the blob in bytes @throws OverlayerError `NotFound` */
export function deleteBlob(transaction: WriteTransaction, files: BlobFiles, digest: Digest): number {
  const file = files.find(digest);
  if (file === undefined) throw blobNotFound(digest);
  files.remove(digest);
  forgetBlob(transaction, digest);
  return file.size;
}

/** Lists blobs that have records but no file. */
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

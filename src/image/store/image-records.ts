import { OverlayerError } from '../../base/errors.js';
import type { Fields } from '../../metadata/filter.js';
import { filterBy, type ListOptions } from '../../metadata/filter-by.js';
import { checkLabels, type Labels, labelOf } from '../../metadata/labels.js';
import type { Key, ReadTransaction, Value, WriteTransaction } from '../../metadata/metadata-store.js';
import { checkName } from '../../metadata/name.js';
import { type Descriptor, parseDescriptor } from '../../oci/descriptor.js';
import { hostPlatform, type Platform, parsePlatform } from '../../oci/platform.js';
import { PLATFORM_LABEL } from './image-labels.js';

// The rules of containerd's core/images. An image is a name for the descriptor of a manifest, or of an index.

const RECORDS: Key = ['image'];
const recordKey = (name: string): Key => ['image', name];

/** The record of an image: a name for a manifest or an index. */
export interface ImageRecord {
  readonly name: string;
  /** Descriptor of its manifest or index. */
  readonly target: Descriptor;
  readonly labels: Labels;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export function findImage(transaction: ReadTransaction, name: string): ImageRecord | undefined {
  const value = transaction.get(recordKey(name));
  return value === undefined ? undefined : decodeImage(name, value);
}

/** @throws OverlayerError `NotFound` */
function getImage(transaction: ReadTransaction, name: string): ImageRecord {
  const image = findImage(transaction, name);
  if (image === undefined) throw new OverlayerError('NotFound', `Image "${name}" does not exist`);
  return image;
}

/** Sorted by name. */
export function listImages(transaction: ReadTransaction): ImageRecord[] {
  return [...transaction.entries(RECORDS)].map(({ key, value }) => decodeImage(key[1] as string, value));
}

/** @throws OverlayerError `InvalidArgument`: malformed filter */
export async function chooseImages(
  list: () => readonly ImageRecord[],
  { filters = [], signal }: ListOptions,
): Promise<readonly ImageRecord[]> {
  signal?.throwIfAborted();
  const passes = await filterBy(filters);
  return list().filter((record) => passes(fieldsOf(record)));
}

/** The fields of containerd's filters for images. */
function fieldsOf({ name, target, labels }: ImageRecord): Fields {
  return ([field, ...rest]) => {
    if (field === 'labels') return labelOf(labels, rest.join('.'));
    const values = { name, 'target.digest': target.digest, 'target.mediatype': target.mediaType };
    return Object.entries(values).find(([path]) => path === [field, ...rest].join('.'))?.[1];
  };
}

/** Replaces the image that has the name. Its labels stay, except those that `labels` replaces. */
export function putImage(
  transaction: WriteTransaction,
  { name, target, labels = {} }: Pick<ImageRecord, 'name' | 'target'> & { readonly labels?: Labels },
): ImageRecord {
  checkName('Name of an image', name);
  const before = findImage(transaction, name);
  const now = Date.now();
  const image: ImageRecord = {
    name,
    target,
    labels: checkLabels({ ...before?.labels, ...labels }),
    createdAt: before?.createdAt ?? new Date(now),
    // Two updates within a millisecond get different times.
    updatedAt: new Date(Math.max(now, (before?.updatedAt.getTime() ?? 0) + 1)),
  };
  transaction.put(recordKey(name), encodeImage(image));
  return image;
}

/** @throws OverlayerError `NotFound` */
export function removeImage(transaction: WriteTransaction, name: string): void {
  getImage(transaction, name);
  transaction.delete(recordKey(name));
}

/** The platform that the image was chosen for. */
export function platformOf({ labels }: Pick<ImageRecord, 'labels'>): Platform {
  const platform = labels[PLATFORM_LABEL];
  return platform === undefined ? hostPlatform() : parsePlatform(platform);
}

function encodeImage({ target, labels, createdAt, updatedAt }: ImageRecord): Value {
  return {
    target: JSON.parse(JSON.stringify(target)) as Value,
    labels,
    createdAt: createdAt.getTime(),
    updatedAt: updatedAt.getTime(),
  };
}

/** @throws OverlayerError `DataLoss` when the record is malformed */
function decodeImage(name: string, value: Value): ImageRecord {
  try {
    const { target, labels, createdAt, updatedAt } = value as { readonly [field: string]: Value };
    if (!Number.isFinite(createdAt) || !Number.isFinite(updatedAt)) throw new TypeError('no times');
    return {
      name,
      target: parseDescriptor(target),
      labels: { ...(labels as Labels) },
      createdAt: new Date(createdAt as number),
      updatedAt: new Date(updatedAt as number),
    };
  } catch (cause) {
    throw new OverlayerError('DataLoss', `The record of image "${name}" is damaged`, {
      hint: 'pull or import the image again',
      cause,
    });
  }
}

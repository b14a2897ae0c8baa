import { checkOptions } from '../../base/check-arguments.js';
import { OverlayerError } from '../../base/errors.js';
import type { Fields } from '../../metadata/filter.js';
import { filterBy, LIST_OPTIONS, type ListOptions } from '../../metadata/filter-by.js';
import { labelOf } from '../../metadata/labels.js';
import { parseReference } from '../reference.js';
import { canonicalName } from '../source/image-name.js';
import { findKeepers } from './find-keepers.js';
import { collectGarbage } from './garbage.js';
import { findImage, type ImageRecord, listImages, putImage, removeImage } from './image-records.js';
import { type Image, type Images, PRUNE_OPTIONS, type PruneOptions, type PruneResult } from './store.js';
import type { StoreParts } from './store-parts.js';
import { StoredImage } from './stored-image.js';

/** Images as records of the metadata store. */
export class ImageStore implements Images {
  readonly #parts: StoreParts;

  constructor(parts: StoreParts) {
    this.#parts = parts;
  }

  async get(name: string): Promise<Image> {
    return this.open(this.#get(name));
  }

  async find(name: string): Promise<Image | undefined> {
    const record = this.#find(name);
    return record === undefined ? undefined : this.open(record);
  }

  async list(options: ListOptions = {}): Promise<readonly Image[]> {
    checkOptions('images.list', options, LIST_OPTIONS);
    const { filters = [], signal } = options;
    signal?.throwIfAborted();
    const passes = await filterBy(filters);
    const records = this.#parts.metadata.read(listImages).filter((record) => passes(fieldsOf(record)));
    return records.map((record) => this.open(record));
  }

  async tag(name: string, newName: string): Promise<Image> {
    const { name: found } = this.#get(name);
    const record = await this.#parts.metadata.write((transaction) => {
      const image = findImage(transaction, found);
      if (image === undefined) throw notFound(name);
      return putImage(transaction, { ...image, name: parseReference(newName).name });
    });
    return this.open(record);
  }

  async remove(name: string): Promise<void> {
    const { name: found } = this.#get(name);
    await this.#parts.metadata.write((transaction) => removeImage(transaction, found));
  }

  async prune(options: PruneOptions = {}): Promise<PruneResult> {
    checkOptions('images.prune', options, PRUNE_OPTIONS);
    await this.#parts.snapshots.cleanup();
    const collected = await collectGarbage(this.#parts, options);
    return { ...collected, keepers: await findKeepers(this.#parts) };
  }

  open(record: ImageRecord): Image {
    return new StoredImage(this.#parts, record);
  }

  /** By its name as it is, or as people write it. */
  #find(name: string): ImageRecord | undefined {
    const canonical = canonicalName(name);
    return this.#parts.metadata.read(
      (transaction) =>
        findImage(transaction, name) ??
        (canonical === undefined ? undefined : findImage(transaction, canonical)),
    );
  }

  #get(name: string): ImageRecord {
    const found = this.#find(name);
    if (found === undefined) throw notFound(name);
    return found;
  }
}

/** As containerd names them. */
function fieldsOf({ name, target, labels }: ImageRecord): Fields {
  return ([field, ...rest]) => {
    if (field === 'labels') return labelOf(labels, rest.join('.'));
    const values = { name, 'target.digest': target.digest, 'target.mediatype': target.mediaType };
    return Object.entries(values).find(([path]) => path === [field, ...rest].join('.'))?.[1];
  };
}

function notFound(name: string): OverlayerError {
  return new OverlayerError('NotFound', `Image "${name}" does not exist`, {
    hint: 'overlayer images ls shows those that do',
  });
}

import type { AbortableOptions } from '../base/abort.js';
import { OverlayerError } from '../base/errors.js';
import { type CollectResult, collectGarbage } from './garbage.js';
import { canonicalName } from './image-name.js';
import { findImage, type ImageRecord, listImages, putImage, removeImage } from './image-records.js';
import { parseReference } from './reference.js';
import type { Image, Images } from './store.js';
import type { StoreParts } from './store-parts.js';
import { StoredImage } from './stored-image.js';

/** Images as records of the metadata store. */
export class ImageStore implements Images {
  readonly #parts: StoreParts;

  constructor(parts: StoreParts) {
    this.#parts = parts;
  }

  async get(name: string): Promise<Image> {
    return this.open(this.#find(name));
  }

  async list(): Promise<readonly Image[]> {
    return this.#parts.metadata.read(listImages).map((record) => this.open(record));
  }

  async tag(name: string, newName: string): Promise<Image> {
    const { name: found } = this.#find(name);
    const record = await this.#parts.metadata.write((transaction) => {
      const image = findImage(transaction, found);
      if (image === undefined) throw notFound(name);
      return putImage(transaction, { ...image, name: parseReference(newName).name });
    });
    return this.open(record);
  }

  async remove(name: string): Promise<void> {
    const { name: found } = this.#find(name);
    await this.#parts.metadata.write((transaction) => removeImage(transaction, found));
  }

  async prune(options: AbortableOptions = {}): Promise<CollectResult> {
    await this.#parts.snapshots.cleanup();
    return await collectGarbage(this.#parts, options);
  }

  open(record: ImageRecord): Image {
    return new StoredImage(this.#parts, record);
  }

  /** By its name as it is, or as people write it. */
  #find(name: string): ImageRecord {
    const canonical = canonicalName(name);
    const found = this.#parts.metadata.read(
      (transaction) =>
        findImage(transaction, name) ??
        (canonical === undefined ? undefined : findImage(transaction, canonical)),
    );
    if (found === undefined) throw notFound(name);
    return found;
  }
}

function notFound(name: string): OverlayerError {
  return new OverlayerError('NotFound', `Image "${name}" does not exist`, {
    hint: 'overlayer images ls shows those that do',
  });
}

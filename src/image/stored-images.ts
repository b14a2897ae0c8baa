import { OverlayerError } from '../base/errors.js';
import type { Descriptor } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import { isNamed } from './image-name.js';
import type { ImageSource, OpenBlob, OpenBlobOptions, SourceImage } from './image-source.js';
import { cutFile, type StoredFile, sizeOf } from './stored-file.js';

/** Images whose blobs are files at hand, and how to get at them. */
export interface StoredImages {
  readonly images: readonly SourceImage[];
  findBlob(digest: Digest): StoredFile | undefined;
}

/** A source of images that are in a layout or an archive. */
export class StoredImageSource implements ImageSource {
  readonly description: string;
  readonly #stored: StoredImages;
  readonly #images: readonly SourceImage[];
  #close: (() => Promise<void>) | undefined;

  /**
   * @param names of the images that are asked for, undefined for all of them
   * @param close lets the files go
   * @throws OverlayerError `NotFound`
   */
  constructor(
    description: string,
    stored: StoredImages,
    names: readonly string[] | undefined,
    close: () => Promise<void>,
  ) {
    this.description = description;
    this.#stored = stored;
    this.#images = chooseImages(stored.images, names, description);
    this.#close = close;
  }

  async images(): Promise<readonly SourceImage[]> {
    return this.#images;
  }

  async open({ digest }: Descriptor, { offset = 0, signal }: OpenBlobOptions = {}): Promise<OpenBlob> {
    signal?.throwIfAborted();
    if (this.#close === undefined)
      throw new OverlayerError('FailedPrecondition', `"${this.description}" is closed`);
    const file = this.#stored.findBlob(digest);
    if (file === undefined)
      throw new OverlayerError('NotFound', `Blob ${digest} is not in "${this.description}"`, {
        hint: 'the image is not whole: write it again, with all its platforms or for one alone',
      });
    const size = sizeOf(file);
    if (offset > size)
      throw new OverlayerError('InvalidArgument', `Blob ${digest} has ${size} bytes, none from ${offset} on`);
    return { bytes: cutFile(file, offset, size), offset };
  }

  async close(): Promise<void> {
    const close = this.#close;
    this.#close = undefined;
    await close?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function chooseImages(
  images: readonly SourceImage[],
  names: readonly string[] | undefined,
  description: string,
): readonly SourceImage[] {
  if (images.length === 0) throw new OverlayerError('NotFound', `There is no image in "${description}"`);
  if (names === undefined) return images;
  return names.map((wanted) => {
    const image = images.find(({ name }) => isNamed(name, wanted));
    if (image !== undefined) return image;
    const known = images.flatMap(({ name }) => name ?? []).slice(0, 10);
    throw new OverlayerError('NotFound', `There is no image "${wanted}" in "${description}"`, {
      hint: known.length === 0 ? 'its images have no names' : `it has ${known.join(', ')}`,
    });
  });
}

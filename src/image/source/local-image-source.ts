import { OverlayerError } from '../../base/errors.js';
import { displayPath } from '../../base/path-bytes.js';
import { withContext } from '../../base/with-context.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import { documentsOf } from '../pull/choose-manifest.js';
import { type ArrangedImages, arrangeImages } from './arrange-images.js';
import { readDocument } from './blob-bytes.js';
import { isNamed } from './image-name.js';
import type { ImageSource, OpenBlob, OpenBlobOptions, PassedOver, SourceImage } from './image-source.js';
import { cutFile, type LocalImages, sizeOf } from './local-file.js';

/** Names in one error message. */
const MAX_LISTED = 10;

/** The images of a layout or an archive. */
export class LocalImageSource implements ImageSource {
  readonly description: string;
  readonly #stored: LocalImages;
  #arranged: ArrangedImages = { images: [], passedOver: [], made: new Map() };
  #images: readonly SourceImage[] = [];
  #close: (() => Promise<void>) | undefined;

  private constructor(description: string, stored: LocalImages, close: () => Promise<void>) {
    this.description = description;
    this.#stored = stored;
    this.#close = close;
  }

  /**
   * @param names names or digests of the images to open; undefined for all images
   * @param close closes the files
   * @throws OverlayerError `NotFound`; `InvalidArgument` for a name that several images have
   */
  static async open(
    description: string,
    stored: LocalImages,
    names: readonly string[] | undefined,
    close: () => Promise<void>,
  ): Promise<LocalImageSource> {
    const source = new LocalImageSource(description, stored, close);
    const documents = documentsOf((descriptor) => readDocument(source, descriptor));
    const { images, passedOver, made } = await arrangeImages(stored.images, documents);
    source.#arranged = { images, passedOver: [...stored.passedOver, ...passedOver], made };
    source.#images = chooseImages(source.#arranged, names, description);
    return source;
  }

  get passedOver(): readonly PassedOver[] {
    return this.#arranged.passedOver;
  }

  async images(): Promise<readonly SourceImage[]> {
    return this.#images;
  }

  async open({ digest }: Descriptor, { offset = 0, signal }: OpenBlobOptions = {}): Promise<OpenBlob> {
    signal?.throwIfAborted();
    if (this.#close === undefined)
      throw new OverlayerError('FailedPrecondition', `"${this.description}" is closed`);
    const made = this.#arranged.made.get(digest);
    const file = made === undefined ? this.#stored.findBlob(digest) : { bytes: made };
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
  arranged: ArrangedImages,
  names: readonly string[] | undefined,
  description: string,
): readonly SourceImage[] {
  const { images, passedOver } = arranged;
  const [other] = passedOver;
  if (images.length === 0)
    throw other === undefined
      ? new OverlayerError('NotFound', `There is no image in "${description}"`)
      : inImages(description, other.error);
  return names === undefined ? images : names.map((wanted) => chooseImage(arranged, wanted, description));
}

function chooseImage(
  { images, passedOver }: ArrangedImages,
  wanted: string,
  description: string,
): SourceImage {
  const isWanted = (name: string | undefined, digest: Digest | undefined) =>
    digest === wanted || isNamed(name, wanted);
  const found = images.filter(({ name, target }) => isWanted(name, target.digest));
  const digests = new Set(found.map(({ target }) => target.digest));
  if (digests.size > 1)
    throw new OverlayerError(
      'InvalidArgument',
      `There are ${digests.size} images of the name "${wanted}" in "${description}"`,
      { hint: `choose one by its digest: ${[...digests].slice(0, MAX_LISTED).join(', ')}` },
    );
  if (found.length > 0) return found[0]!;
  const other = passedOver.find(({ name, digest }) => isWanted(name, digest));
  if (other !== undefined) throw inImages(description, other.error);
  throw new OverlayerError('NotFound', `There is no image "${wanted}" in "${description}"`, {
    hint: `it has ${listNames(images)}`,
  });
}

/** Does `work`, and adds the path of the layout or archive to its error. */
export async function readingImages<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw inImages(path, error);
  }
}

function inImages(path: string, error: unknown): unknown {
  return withContext(error, { prefix: `Cannot read images of "${path}"` });
}

/** The names, or digests, by which images can be chosen; for a hint. */
export function listNames(images: readonly SourceImage[]): string {
  const all = images.map(({ name, target }) => displayPath(name ?? target.digest));
  const more = all.length > MAX_LISTED ? ` and ${all.length - MAX_LISTED} more` : '';
  return `${all.slice(0, MAX_LISTED).join(', ')}${more}`;
}

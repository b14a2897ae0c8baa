import { isCode, OverlayerError } from '../../base/errors.js';
import { displayPath } from '../../base/path-bytes.js';
import { withContext } from '../../base/with-context.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import { MAX_REGISTRY_MANIFEST_BYTES } from '../../oci/document.js';
import { isManifest, MEDIA_TYPE } from '../../oci/media-types.js';
import { formatPlatform, type Platform, platformDocument } from '../../oci/platform.js';
import { type Documents, documentsOf, ifComplete, readImage } from '../pull/choose-manifest.js';
import { isNamed } from '../reference.js';
import { readDocument, sha256 } from './blob-bytes.js';
import type { ImageSource, OpenBlob, OpenBlobOptions, PassedOver, SourceImage } from './image-source.js';
import { cutFile, type LocalFile, type LocalImages, sizeOf } from './local-images.js';

/** The most manifests that are looked at. If there are more, each one is an image by itself. */
const MAX_LOOKED_AT = 1000;

export interface ArrangedImages {
  readonly images: readonly SourceImage[];
  readonly passedOver: readonly PassedOver[];
  /** Indexes that were made here, by their digests. */
  readonly made: ReadonlyMap<Digest, Uint8Array>;
}

/**
 * Groups the entries of a layout or an archive into images. Manifests with the same name, or without a name, and with
 * distinct platforms form one image: an index is made for them, always with the same bytes. Entries that are not images,
 * such as signatures, are passed over. The manifests are read only when there are several.
 */
async function arrangeImages(entries: readonly SourceImage[], documents: Documents): Promise<ArrangedImages> {
  const distinct = [
    ...new Map(entries.map((entry) => [`${entry.target.digest} ${entry.name}`, entry])).values(),
  ];
  const targets = new Map(distinct.map(({ target }) => [target.digest, target]));
  const made = new Map<Digest, Uint8Array>();
  if (targets.size < 2 || targets.size > MAX_LOOKED_AT) return { images: distinct, passedOver: [], made };
  const looks = new Map<Digest, Platform | OverlayerError | undefined>();
  for (const target of targets.values()) looks.set(target.digest, await lookAt(target, documents));
  const passedOver = distinct.flatMap(({ name, target }) => {
    const error = looks.get(target.digest);
    return OverlayerError.is(error) ? { name, digest: target.digest, error } : [];
  });
  const groups = new Map<string | undefined, SourceImage[]>();
  for (const image of distinct) {
    if (OverlayerError.is(looks.get(image.target.digest))) continue;
    groups.set(image.name, [...(groups.get(image.name) ?? []), image]);
  }
  const images: SourceImage[] = [];
  for (const group of groups.values()) {
    const platforms = group.map(({ target }) => looks.get(target.digest) as Platform | undefined);
    if (group.length > 1 && areDistinct(platforms)) images.push(makeIndex(group, platforms, made));
    else images.push(...group);
  }
  return { images, passedOver, made };
}

/** @returns the platform of a manifest; undefined when it is unknown; an error when the manifest is not an image */
async function lookAt(
  target: Descriptor,
  documents: Documents,
): Promise<Platform | OverlayerError | undefined> {
  if (!isManifest(target.mediaType) || target.size > MAX_REGISTRY_MANIFEST_BYTES) return undefined;
  try {
    const { config } = await readImage(target, documents);
    return ifComplete(target.platform) ?? ifComplete(config.platform);
  } catch (error) {
    if (!OverlayerError.is(error)) throw error;
    // An incomplete image is reported when it is opened.
    return isCode(error, 'Unimplemented') ? error : ifComplete(target.platform);
  }
}

function areDistinct(platforms: readonly (Platform | undefined)[]): platforms is readonly Platform[] {
  const known = platforms.flatMap((platform) => (platform === undefined ? [] : formatPlatform(platform)));
  return new Set(known).size === platforms.length;
}

function makeIndex(
  group: readonly SourceImage[],
  platforms: readonly Platform[],
  made: Map<Digest, Uint8Array>,
): SourceImage {
  const manifests = group.map(({ target: { mediaType, digest, size } }, at) => ({
    ...{ mediaType, digest, size },
    platform: platformDocument(platforms[at]!),
  }));
  const mediaType = MEDIA_TYPE.index;
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }));
  const target = { mediaType, digest: sha256(bytes), size: bytes.length };
  made.set(target.digest, bytes);
  return { name: group[0]!.name, target };
}

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
    const file = this.#find(digest);
    if (file === undefined)
      throw new OverlayerError('NotFound', `Blob ${digest} is not in "${this.description}"`, {
        hint: 'the image is not whole: write it again, with all its platforms or for one alone',
      });
    const size = sizeOf(file);
    if (offset > size)
      throw new OverlayerError('InvalidArgument', `Blob ${digest} has ${size} bytes, none from ${offset} on`);
    return { bytes: cutFile(file, offset, size), offset };
  }

  async has({ digest }: Descriptor): Promise<boolean> {
    return this.#find(digest) !== undefined;
  }

  #find(digest: Digest): LocalFile | undefined {
    const made = this.#arranged.made.get(digest);
    return made === undefined ? this.#stored.findBlob(digest) : { bytes: made };
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

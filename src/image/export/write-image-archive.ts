import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { type Header, type Pack, pack } from 'tar-stream';
import type { AbortableOptions } from '../../base/abort.js';
import { OverlayerError } from '../../base/errors.js';
import type { ContentStore } from '../../content/content-store.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import { type ImageManifest, parseIndex, parseManifest } from '../../oci/manifest.js';
import { isConfig, isIndex, isManifest, isNonDistributable, MEDIA_TYPE } from '../../oci/media-types.js';
import { hostPlatform, platformDocument, rankPlatform } from '../../oci/platform.js';
import { DOCKER_MANIFEST_FILE } from '../archive/docker-archive.js';
import { formatFamiliar, NAME_ANNOTATION, REF_NAME_ANNOTATION, storedReference } from '../reference.js';
import { checkDigest, otherSize, readDocument } from '../source/blob-bytes.js';
import type { SourceImage } from '../source/image-source.js';
import { blobName, INDEX_FILE, LAYOUT_FILE } from '../source/local-images.js';
import { contentSource, notKept } from './content-source.js';

/** The blobs of an image in the content store. */
interface ImageBlobs {
  readonly blobs: ReadonlyMap<Digest, Descriptor>;
  /** The blobs in the order of the index. */
  readonly manifests: readonly PresentManifest[];
}

interface PresentManifest {
  /** The descriptor in the index, which may have a platform. */
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
}

/**
 * Finds all blobs that an image's index or manifest refers to. A manifest of an index may be absent, as after a pull for
 * one platform. All blobs of a present manifest must be present, except non-distributable layers.
 *
 * @throws OverlayerError `NotFound`; `DataLoss` for a damaged document; as `parseManifest`
 */
async function findImageBlobs(
  content: ContentStore,
  target: Descriptor,
  options: AbortableOptions = {},
): Promise<ImageBlobs> {
  const source = contentSource(content, { name: target.digest, target });
  const blobs = new Map<Digest, Descriptor>();
  const manifests: PresentManifest[] = [];
  // Each document is read once, so cycles end; the list of pending ones replaces recursion.
  const pending = [target];
  for (let descriptor = pending.pop(); descriptor !== undefined; descriptor = pending.pop()) {
    const { digest, mediaType } = descriptor;
    if (blobs.has(digest)) continue;
    if (descriptor !== target && !(await isPresent(content, descriptor))) continue;
    blobs.set(digest, descriptor);
    if (isIndex(mediaType)) {
      const index = parseIndex(await readDocument(source, descriptor, options), mediaType);
      for (const child of index.manifests.toReversed()) pending.push(child);
    } else if (isManifest(mediaType)) {
      const manifest = parseManifest(await readDocument(source, descriptor, options), mediaType);
      manifests.push({ descriptor, manifest });
      for (const blob of [manifest.config, ...manifest.layers])
        if (await isWanted(content, blob)) blobs.set(blob.digest, blob);
    }
  }
  if (manifests.length > 0) return { blobs, manifests };
  throw new OverlayerError('NotFound', `Nothing of image ${target.digest} is in the content store`, {
    hint: 'pull or import the image again without --discard-blobs: layers that are unpacked stay, and their blobs are fetched',
  });
}

async function isWanted(content: ContentStore, blob: Descriptor): Promise<boolean> {
  if (await isPresent(content, blob)) return true;
  if (isNonDistributable(blob.mediaType)) return false;
  throw notKept(blob.digest);
}

async function isPresent(content: ContentStore, { digest }: Descriptor): Promise<boolean> {
  return (await content.find(digest)) !== undefined;
}

/** See `exportImages`. */
export async function* writeImageArchive(
  content: ContentStore,
  images: readonly SourceImage[],
  options: AbortableOptions,
): AsyncGenerator<Uint8Array, void, void> {
  if (images.length === 0) throw new OverlayerError('InvalidArgument', 'There is no image to export');
  const found: ExportedImage[] = [];
  for (const image of images.toSorted(byName))
    found.push({ image, ...(await findImageBlobs(content, image.target, options)) });
  const archive = pack();
  const written = writeArchive(archive, content, found, options);
  written.catch(() => archive.destroy());
  try {
    yield* archive as AsyncIterable<Uint8Array>;
  } catch (error) {
    await written; // its error is the cause
    throw error;
  } finally {
    archive.destroy();
  }
  await written;
}

/** Writes members in the order of their names, without owners and times. */
async function writeArchive(
  archive: Pack,
  content: ContentStore,
  images: readonly ExportedImage[],
  options: AbortableOptions,
): Promise<void> {
  const blobs = new Map<Digest, Descriptor>(images.flatMap((image) => [...image.blobs]));
  for (const name of ['blobs/', 'blobs/sha256/'])
    archive.entry(headers({ name, type: 'directory', mode: 0o755 }));
  for (const blob of [...blobs.values()].toSorted(byDigest)) {
    const entry = archive.entry(headers({ name: blobName(blob.digest), size: blob.size }));
    await pipeline(readVerified(content, blob, options), entry);
  }
  const documents = {
    [INDEX_FILE]: indexDocument(images),
    [DOCKER_MANIFEST_FILE]: dockerDocument(images),
    [LAYOUT_FILE]: LAYOUT_DOCUMENT,
  };
  for (const [name, document] of Object.entries(documents))
    archive.entry(headers({ name }), JSON.stringify(document));
  archive.finalize();
}

type EntryFields = Partial<Header> & Pick<Header, 'name'>;

/** The fields that all members share. */
function headers(fields: EntryFields): EntryFields {
  return { mode: 0o444, uid: 0, gid: 0, mtime: new Date(0), ...fields };
}

function byName(a: SourceImage, b: SourceImage): number {
  return compare(a.name ?? '', b.name ?? '') || byDigest(a.target, b.target);
}

function byDigest(a: Descriptor, b: Descriptor): number {
  return compare(a.digest, b.digest);
}

/** Compares code units: independent of the locale. */
function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** An image and its blobs in the store. */
interface ExportedImage extends ImageBlobs {
  readonly image: SourceImage;
}

const LAYOUT_DOCUMENT = { imageLayoutVersion: '1.0.0' };

/** The index of an archive (OCI image spec, image-layout.md), with the annotations by which containerd and docker name images. */
function indexDocument(images: readonly ExportedImage[]): object {
  return {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.index,
    manifests: images.map(({ image }) => namedDescriptor(image)),
  };
}

function namedDescriptor({ name, target }: SourceImage): object {
  const { [NAME_ANNOTATION]: _, [REF_NAME_ANNOTATION]: __, ...others } = target.annotations ?? {};
  const { mediaType, digest, size, platform } = target;
  const annotations = { ...others, ...nameAnnotations(name) };
  return {
    mediaType,
    digest,
    size,
    ...(platform === undefined ? {} : { platform: platformDocument(platform) }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
}

/** Tools that only know the annotation of the specification read it as a tag. */
function nameAnnotations(name: string | undefined): Record<string, string> {
  if (name === undefined) return {};
  const tag = storedReference(name)?.tag;
  return tag === undefined
    ? { [REF_NAME_ANNOTATION]: name }
    : { [NAME_ANNOTATION]: name, [REF_NAME_ANNOTATION]: tag };
}

/** The `manifest.json` of `docker load`. Of an image for several platforms it names one, this host's if present. */
function dockerDocument(images: readonly ExportedImage[]): object {
  const entries = new Map<string, { Config: string; RepoTags: string[]; Layers: string[] }>();
  for (const { image, manifests } of images) {
    const best = chooseManifest(manifests);
    if (best === undefined) continue;
    const { descriptor, manifest } = best;
    const entry = entries.get(descriptor.digest) ?? {
      Config: blobName(manifest.config.digest),
      RepoTags: [],
      Layers: manifest.layers.map(({ digest }) => blobName(digest)),
    };
    entries.set(descriptor.digest, entry);
    const tag = dockerTag(image.name);
    if (tag !== undefined) entry.RepoTags.push(tag);
  }
  return [...entries.values()];
}

function chooseManifest(manifests: readonly PresentManifest[]): PresentManifest | undefined {
  const host = hostPlatform();
  const rank = ({ descriptor: { platform } }: PresentManifest) =>
    (platform === undefined ? undefined : rankPlatform(platform, host)) ?? Infinity;
  return manifests
    .filter(({ manifest }) => isConfig(manifest.config.mediaType))
    .reduce<PresentManifest | undefined>(
      (best, next) => (best !== undefined && rank(best) <= rank(next) ? best : next),
      undefined,
    );
}

/** Docker's short form, always with the tag. */
function dockerTag(name: string | undefined): string | undefined {
  const reference = name === undefined ? undefined : storedReference(name);
  if (reference?.tag === undefined) return undefined;
  const { domain, repository, tag } = reference;
  const untagged = formatFamiliar({ domain, repository, tag: undefined, digest: undefined });
  return `${untagged}:${tag}`;
}

/**
 * Reads a blob and compares it with its descriptor. A wrong digest is reported after the last byte.
 *
 * @throws OverlayerError `NotFound`; `DataLoss` when they are not what the descriptor says
 */
async function* readVerified(
  content: ContentStore,
  descriptor: Descriptor,
  options: AbortableOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  const { size } = await content.stat(descriptor.digest);
  if (size !== descriptor.size) throw otherSize(descriptor, String(size));
  const sha256 = createHash('sha256');
  for await (const chunk of content.read(descriptor.digest, options)) {
    sha256.update(chunk);
    yield chunk;
  }
  checkDigest(descriptor, `sha256:${sha256.digest('hex')}`);
}

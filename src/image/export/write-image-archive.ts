import { OverlayerError } from '../../base/errors.js';
import type { ContentStore } from '../../content/content-store.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import { isConfig, MEDIA_TYPE } from '../../oci/media-types.js';
import { hostPlatform, rankPlatform } from '../../oci/platform.js';
import { DOCKER_MANIFEST_FILE } from '../archive/docker-archive.js';
import { ARCHIVE_END, directoryHeader, fileHeader, padding } from '../archive/member-header.js';
import type { SourceImage } from '../source/image-source.js';
import { blobName, INDEX_FILE, LAYOUT_FILE } from '../source/local-images.js';
import { dockerTag, LAYOUT_DOCUMENT, namedDescriptor } from '../target/image-names.js';
import {
  type ExportedBlob,
  type ExportedImage,
  type FindOptions,
  findImageBlobs,
  type PresentManifest,
} from './find-image-blobs.js';

/** Finds the blobs of images, which are sorted by name. @throws OverlayerError `InvalidArgument`: there is none */
export async function findImages(
  content: ContentStore,
  images: readonly SourceImage[],
  options: FindOptions,
): Promise<readonly ExportedImage[]> {
  if (images.length === 0) throw new OverlayerError('InvalidArgument', 'There is no image to export');
  const found: ExportedImage[] = [];
  for (const image of images.toSorted(byName)) found.push(await findImageBlobs(content, image, options));
  return found;
}

/** Writes images as `exportImages` does: members in the order of their names, without owners and times. */
export async function* writeImageArchive(
  images: readonly ExportedImage[],
): AsyncGenerator<Uint8Array, void, void> {
  const blobs = new Map<Digest, ExportedBlob>(images.flatMap((image) => [...image.blobs]));
  for (const path of ['blobs/', 'blobs/sha256/']) yield directoryHeader(path);
  for (const { descriptor, read } of [...blobs.values()].toSorted((a, b) =>
    byDigest(a.descriptor, b.descriptor),
  )) {
    yield fileHeader(blobName(descriptor.digest), descriptor.size);
    yield* read();
    yield padding(descriptor.size);
  }
  const documents = {
    [INDEX_FILE]: indexDocument(images),
    [DOCKER_MANIFEST_FILE]: dockerDocument(images),
    [LAYOUT_FILE]: LAYOUT_DOCUMENT,
  };
  for (const [name, document] of Object.entries(documents)) {
    const bytes = Buffer.from(JSON.stringify(document));
    yield Buffer.concat([fileHeader(name, bytes.length), bytes, padding(bytes.length)]);
  }
  yield ARCHIVE_END;
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

/** The index of an archive (OCI image spec, image-layout.md), with the annotations by which containerd and docker name images. */
function indexDocument(images: readonly ExportedImage[]): object {
  return {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.index,
    manifests: images.map(({ image }) => namedDescriptor(image)),
  };
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

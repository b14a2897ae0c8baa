import { isCode, OverlayerError } from '../../base/errors.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import { MAX_REGISTRY_MANIFEST_BYTES } from '../../oci/document.js';
import { isManifest, MEDIA_TYPE } from '../../oci/media-types.js';
import { formatPlatform, type Platform, platformDocument } from '../../oci/platform.js';
import type { Documents } from '../pull/choose-manifest.js';
import { ifComplete, readImage } from '../pull/choose-manifest.js';
import { sha256 } from './blob-bytes.js';
import type { PassedOver, SourceImage } from './image-source.js';

/** With more manifests each one is an image by itself. */
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
export async function arrangeImages(
  entries: readonly SourceImage[],
  documents: Documents,
): Promise<ArrangedImages> {
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

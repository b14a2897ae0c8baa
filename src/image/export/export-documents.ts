import type { Descriptor } from '../../oci/descriptor.js';
import { rankPlatform } from '../../oci/match-platform.js';
import { isConfig, MEDIA_TYPE } from '../../oci/media-types.js';
import { hostPlatform } from '../../oci/platform.js';
import { formatFamiliar } from '../reference.js';
import { NAME_ANNOTATION, REF_NAME_ANNOTATION, storedReference } from '../source/image-name.js';
import type { SourceImage } from '../source/image-source.js';
import { blobName } from '../source/layout-images.js';
import type { ImageBlobs, PresentManifest } from './image-blobs.js';

/** An image, and what there is of it. */
export interface ExportedImage extends ImageBlobs {
  readonly image: SourceImage;
}

export const LAYOUT_DOCUMENT = { imageLayoutVersion: '1.0.0' };

/** The index of an archive (OCI image spec, image-layout.md), with the annotations by which containerd and docker name images. */
export function indexDocument(images: readonly ExportedImage[]): object {
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

/** Tools that know the annotation of the specification alone take it for a tag. */
function nameAnnotations(name: string | undefined): Record<string, string> {
  if (name === undefined) return {};
  const tag = storedReference(name)?.tag;
  return tag === undefined
    ? { [REF_NAME_ANNOTATION]: name }
    : { [NAME_ANNOTATION]: name, [REF_NAME_ANNOTATION]: tag };
}

/** As the image spec spells it. */
export function platformDocument({
  os,
  architecture,
  variant,
  osVersion,
}: NonNullable<Descriptor['platform']>): object {
  return { architecture, os, 'os.version': osVersion, variant };
}

/** What `docker load` reads: of an image for several platforms it gets one, that of this host if there is such. */
export function dockerDocument(images: readonly ExportedImage[]): object {
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

/** As docker shows it, but always with the tag. */
function dockerTag(name: string | undefined): string | undefined {
  const reference = name === undefined ? undefined : storedReference(name);
  if (reference?.tag === undefined) return undefined;
  const { domain, repository, tag } = reference;
  const untagged = formatFamiliar({ domain, repository, tag: undefined, digest: undefined });
  return `${untagged}:${tag}`;
}

import { OverlayerError } from '../../base/errors.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import { quoted } from '../../oci/document.js';
import { type ImageConfig, parseImageConfig } from '../../oci/image-config.js';
import { type ImageIndex, type ImageManifest, parseIndex, parseManifest } from '../../oci/manifest.js';
import { rankPlatform } from '../../oci/match-platform.js';
import { isConfig, isIndex, isManifest } from '../../oci/media-types.js';
import { formatPlatform, type Platform } from '../../oci/platform.js';

/** Indexes within indexes: nobody makes more than two. */
const MAX_DEPTH = 4;
/** Documents that an index leads to; those that don't say their platform are read. */
const MAX_DOCUMENTS = 1000;

/** Reads the documents of an image. */
export interface Documents {
  index(descriptor: Descriptor): Promise<ImageIndex>;
  manifest(descriptor: Descriptor): Promise<ImageManifest>;
  config(descriptor: Descriptor): Promise<ImageConfig>;
}

/** Documents out of their verified bytes. */
export function documentsOf(read: (descriptor: Descriptor) => Promise<Uint8Array>): Documents {
  return {
    index: async (descriptor) => parseIndex(await read(descriptor), descriptor.mediaType),
    manifest: async (descriptor) => parseManifest(await read(descriptor), descriptor.mediaType),
    config: async (descriptor) => parseImageConfig(await read(descriptor)),
  };
}

export interface ChosenManifest {
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
}

/** A manifest that would do; of two as good the first is taken. */
interface Offer {
  readonly descriptor: Descriptor;
  readonly rank: number;
  /** What had to be read to know its platform. */
  readonly read: ChosenManifest | undefined;
}

/**
 * The manifest for a platform: the best of those in an index and the indexes in it, or the only one, if it is
 * for that platform.
 *
 * @param name of the image, for errors
 * @throws OverlayerError `NotFound`: there is none for that platform
 * @throws OverlayerError `InvalidArgument`, `Unimplemented`: what the documents say makes no image
 */
export async function chooseManifest(
  name: string,
  target: Descriptor,
  platform: Platform,
  documents: Documents,
): Promise<ChosenManifest> {
  let best: Offer | undefined;
  const others: Platform[] = [];
  for (const descriptor of await listManifests(target, documents)) {
    const read = descriptor.platform === undefined ? await readImage(descriptor, documents) : undefined;
    const its = descriptor.platform ?? read?.config.platform;
    const rank = its === undefined ? undefined : rankPlatform(its, platform);
    if (rank !== undefined && rank < (best?.rank ?? Infinity)) best = { descriptor, rank, read };
    else if (rank === undefined && its !== undefined) others.push(its);
  }
  if (best === undefined) throw noneFor(name, platform, others);
  if (best.read !== undefined) return best.read;
  const { descriptor } = best;
  const manifest = await documents.manifest(descriptor);
  checkConfigType(manifest);
  return { descriptor, manifest, config: await documents.config(manifest.config) };
}

/** All manifests that an index leads to, in its order. */
async function listManifests(
  target: Descriptor,
  documents: Documents,
  depth = 0,
  seen: Map<Digest, Descriptor> = new Map(),
): Promise<readonly Descriptor[]> {
  seen.set(target.digest, target);
  if (seen.size > MAX_DOCUMENTS) throw tooLarge(`it leads to more than ${MAX_DOCUMENTS} others`);
  if (isIndex(target.mediaType)) {
    if (depth === MAX_DEPTH) throw tooLarge(`indexes are more than ${MAX_DEPTH} deep`);
    for (const child of (await documents.index(target)).manifests)
      if (!seen.has(child.digest) && (isIndex(child.mediaType) || isManifest(child.mediaType)))
        await listManifests(child, documents, depth + 1, seen);
  }
  return [...seen.values()].filter(({ mediaType }) => !isIndex(mediaType));
}

/** @returns undefined for what is no image: a signature, an attestation */
async function readImage(descriptor: Descriptor, documents: Documents): Promise<ChosenManifest | undefined> {
  const manifest = await documents.manifest(descriptor);
  if (!isConfig(manifest.config.mediaType)) return undefined;
  return { descriptor, manifest, config: await documents.config(manifest.config) };
}

function checkConfigType({ config }: ImageManifest): void {
  if (isConfig(config.mediaType)) return;
  throw new OverlayerError('Unimplemented', `Not an image: its config is ${quoted(config.mediaType)}`);
}

function noneFor(name: string, platform: Platform, others: readonly Platform[]): OverlayerError {
  const wanted = formatPlatform(platform);
  if (others.length === 0)
    return new OverlayerError('NotFound', `Image "${quoted(name)}" has nothing that could run on ${wanted}`);
  const list = [...new Set(others.map(formatPlatform))].map(quoted).join(', ');
  return new OverlayerError('NotFound', `Image "${quoted(name)}" is not for ${wanted}, but for ${list}`, {
    hint: 'choose another platform',
  });
}

function tooLarge(why: string): OverlayerError {
  return new OverlayerError('ResourceExhausted', `Cannot read the index of the image: ${why}`);
}

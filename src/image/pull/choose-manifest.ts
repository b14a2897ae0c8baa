import { isCode, OverlayerError } from '../../base/errors.js';
import { artifactOf } from '../../oci/artifact.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import { quoted } from '../../oci/document.js';
import { type ImageConfig, parseImageConfig } from '../../oci/image-config.js';
import {
  type ImageIndex,
  type ImageManifest,
  parseIndex,
  parseManifest,
  type UnreadableEntry,
} from '../../oci/manifest.js';
import { isIndex, isManifest } from '../../oci/media-types.js';
import { completePlatform, formatPlatform, type Platform, rankPlatform } from '../../oci/platform.js';

/** Reads and parses the documents of an image. */
export interface Documents {
  index(descriptor: Descriptor): Promise<ImageIndex>;
  manifest(descriptor: Descriptor): Promise<ImageManifest>;
  config(descriptor: Descriptor): Promise<ImageConfig>;
  /** The manifest is most likely the chosen one, and its config is read next. @default nothing */
  expect?(manifest: ImageManifest): void;
}

/** @param read returns the verified bytes of a document */
export function documentsOf(
  read: (descriptor: Descriptor) => Promise<Uint8Array>,
  expect?: Documents['expect'],
): Documents {
  return {
    ...(expect === undefined ? {} : { expect }),
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

const ANY: Platform = { os: 'any', architecture: 'any' };

/**
 * Chooses the manifest for a platform: the best one of an index and its nested indexes, or the only one if it is for that
 * platform. Errors in other manifests are ignored.
 *
 * @param name of the image, for errors
 * @returns the manifest, with the platform of its config completed from the index and from `platform`
 * @throws OverlayerError `NotFound`: the image has no manifest for the platform
 * @throws OverlayerError `InvalidArgument`, `Unimplemented`: the documents do not describe an image
 */
export async function chooseManifest(
  name: string,
  target: Descriptor,
  platform: Platform,
  documents: Documents,
): Promise<ChosenManifest> {
  let best: Ranked | undefined;
  const others: Pick<Candidate, 'platform' | 'error'>[] = [];
  for await (const candidate of candidatesOf(target, documents)) {
    const rank = candidate.platform && rankPlatform(candidate.platform, platform);
    if (rank === undefined) others.push({ platform: candidate.platform, error: candidate.error });
    else if (best === undefined || isBetter({ ...candidate, rank }, best)) best = { ...candidate, rank };
  }
  if (best === undefined) throw noneFor(name, platform, others);
  if (best.error !== undefined) throw best.error;
  const { descriptor, config, manifest } = best.image ?? (await readListed(name, best, documents));
  const its = completePlatform(completePlatform(best.platform!, config.platform), platform);
  return { descriptor, manifest, config: { ...config, platform: its } };
}

interface Ranked extends Candidate {
  readonly rank: number;
}

/** The lower rank is better. The first manifest that can be read wins a tie. */
function isBetter(one: Ranked, other: Ranked): boolean {
  if (one.rank !== other.rank) return one.rank < other.rank;
  return one.error === undefined && other.error !== undefined;
}

/** Reads a manifest that was chosen by its platform in the index. @throws OverlayerError `NotFound` */
async function readListed(
  name: string,
  { descriptor, platform }: Candidate,
  documents: Documents,
): Promise<ChosenManifest> {
  try {
    return await readExpected(descriptor!, documents);
  } catch (cause) {
    if (!isCode(cause, 'NotFound')) throw cause;
    const its = quoted(formatPlatform(platform!));
    const message = `Image "${quoted(name)}" lists ${its}, but without it: ${cause.message}`;
    throw new OverlayerError('NotFound', message, {
      hint: 'choose a platform that is there, or get the image with all its platforms',
      cause,
    });
  }
}

/** The error for an image without a manifest for the platform. */
function noneFor(
  name: string,
  platform: Platform,
  candidates: readonly Pick<Candidate, 'platform' | 'error'>[],
): OverlayerError {
  const wanted = formatPlatform(platform);
  const others = candidates.flatMap((candidate) => candidate.platform ?? []);
  const errors = candidates.flatMap((candidate) => candidate.error ?? []);
  if (others.length === 0)
    return (
      errors[0] ??
      new OverlayerError('NotFound', `Image "${quoted(name)}" has nothing that could run on ${wanted}`)
    );
  const list = others.map((other) => quoted(formatPlatform(completePlatform(other, ANY))));
  return new OverlayerError(
    'NotFound',
    `Image "${quoted(name)}" is not for ${wanted}, but for ${[...new Set(list)].join(', ')}`,
    {
      hint: 'choose another platform',
      cause: errors[0],
    },
  );
}

/** Depth of nested indexes; tools make two at most. */
const MAX_DEPTH = 4;
/** The most documents below an index that are read to learn their platform. */
const MAX_DOCUMENTS = 1000;

/** A manifest that can be chosen. */
interface Candidate {
  readonly descriptor: Descriptor | undefined;
  /** Undefined when it is unknown. */
  readonly platform: Platform | undefined;
  /** The documents, when they were read to find the platform. */
  readonly image?: ChosenManifest | undefined;
  /** The error of reading it. */
  readonly error?: OverlayerError | undefined;
}

/** Yields the manifests below a target one by one, so that only the chosen one stays in memory. */
async function* candidatesOf(target: Descriptor, documents: Documents): AsyncGenerator<Candidate> {
  if (!isIndex(target.mediaType)) {
    yield candidateOf(target, await readExpected(target, documents));
    return;
  }
  const entries = new Entries(documents);
  await entries.follow(target);
  for (const entry of entries.found)
    if ('error' in entry) yield { ...entry, descriptor: undefined, platform: ifComplete(entry.platform) };
    else yield await orUnreadable(entry, () => listed(entry, documents));
}

/** The manifests and unreadable entries of an index and its nested indexes, in order. */
class Entries {
  readonly #documents: Documents;
  readonly #seen = new Set<Digest>();
  readonly found: (Descriptor | UnreadableEntry)[] = [];

  constructor(documents: Documents) {
    this.#documents = documents;
  }

  async follow(index: Descriptor, depth = 0): Promise<void> {
    if (depth === MAX_DEPTH) throw tooLarge(`indexes are more than ${MAX_DEPTH} deep`);
    this.#see(index);
    const { manifests, unreadable } = await this.#documents.index(index);
    for (const child of manifests) {
      if (this.#seen.has(child.digest)) continue;
      if (isIndex(child.mediaType)) {
        const unread = await orUnreadable(child, () => this.follow(child, depth + 1));
        if (unread !== undefined) this.found.push(unread);
      } else if (isManifest(child.mediaType)) {
        this.#see(child);
        this.found.push(child);
      }
    }
    this.found.push(...unreadable);
  }

  #see({ digest }: Descriptor): void {
    this.#seen.add(digest);
    if (this.#seen.size > MAX_DOCUMENTS) throw tooLarge(`it leads to more than ${MAX_DOCUMENTS} others`);
  }
}

/** Takes the platform of the index, or else of the config. */
async function listed(descriptor: Descriptor, documents: Documents): Promise<Candidate> {
  const platform = ifComplete(descriptor.platform);
  return platform === undefined ? await readCandidate(descriptor, documents) : { descriptor, platform };
}

async function readCandidate(descriptor: Descriptor, documents: Documents): Promise<Candidate> {
  return candidateOf(descriptor, await readImage(descriptor, documents));
}

function candidateOf(descriptor: Descriptor, image: ChosenManifest): Candidate {
  const { platform } = image.config;
  const told = descriptor.platform;
  return {
    descriptor,
    image,
    platform: told === undefined ? platform : completePlatform(told, platform),
  };
}

/** Reads the manifest that is most likely the chosen one. */
async function readExpected(descriptor: Descriptor, documents: Documents): Promise<ChosenManifest> {
  return await readImage(descriptor, documents, (manifest) => documents.expect?.(manifest));
}

export async function readImage(
  descriptor: Descriptor,
  documents: Documents,
  onManifest: (manifest: ImageManifest) => void = () => {},
): Promise<ChosenManifest> {
  const manifest = await documents.manifest(descriptor);
  checkIsImage(manifest);
  // The config is requested first, by the connection that is open.
  const config = documents.config(manifest.config);
  onManifest(manifest);
  return { descriptor, manifest, config: await config };
}

/** A manifest that can't be read may be for another platform, so its error is kept instead of thrown. */
async function orUnreadable<T>(
  { platform }: Descriptor,
  read: () => Promise<T>,
): Promise<T | (Candidate & UnreadableEntry)> {
  try {
    return await read();
  } catch (error) {
    if (!isCode(error, 'NotFound', 'InvalidArgument', 'Unimplemented')) throw error;
    return { descriptor: undefined, error, platform: ifComplete(platform) };
  }
}

/** @throws OverlayerError `Unimplemented` for an artifact */
function checkIsImage(manifest: ImageManifest): void {
  const artifact = artifactOf(manifest);
  if (artifact !== undefined)
    throw new OverlayerError('Unimplemented', `Not an image: ${artifact}`, {
      hint: 'get its blobs with oras, or with the tool that it is made for',
    });
}

/** The platform when it has both an os and an architecture. */
export function ifComplete(platform: Platform | undefined): Platform | undefined {
  return platform !== undefined && platform.os !== '' && platform.architecture !== '' ? platform : undefined;
}

function tooLarge(why: string): OverlayerError {
  return new OverlayerError('ResourceExhausted', `Cannot read the index of the image: ${why}`);
}

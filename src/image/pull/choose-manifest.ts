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

const ANY: Platform = { os: 'any', architecture: 'any' };

/**
 * The manifest for a platform: the best of those in an index and the indexes in it, or the only one, if it is
 * for that platform. Only the chosen one has to be right.
 *
 * @param name of the image, for errors
 * @returns with the config's platform complete: by the index, and by what was asked for where none of them says it
 * @throws OverlayerError `NotFound`: there is none for that platform
 * @throws OverlayerError `InvalidArgument`, `Unimplemented`: what the documents say makes no image
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

/** Of two as good the first is taken, or the one that can be read. */
function isBetter(one: Ranked, other: Ranked): boolean {
  if (one.rank !== other.rank) return one.rank < other.rank;
  return one.error === undefined && other.error !== undefined;
}

/** What was chosen by what the index says of it. @throws OverlayerError `NotFound` that says so where it is not there */
async function readListed(
  name: string,
  { descriptor, platform }: Candidate,
  documents: Documents,
): Promise<ChosenManifest> {
  try {
    return await readImage(descriptor!, documents);
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

/** Why nothing of the image can be chosen. */
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

/** Indexes within indexes: nobody makes more than two. */
const MAX_DEPTH = 4;
/** Documents that an index leads to; those that don't say their platform are read. */
const MAX_DOCUMENTS = 1000;

/** What could be chosen. */
interface Candidate {
  readonly descriptor: Descriptor | undefined;
  /** Undefined where nobody can tell. */
  readonly platform: Platform | undefined;
  /** What had to be read to know its platform. */
  readonly image?: ChosenManifest | undefined;
  /** Why it can't be read. */
  readonly error?: OverlayerError | undefined;
}

/** What an image's manifest or index leads to, one by one: only what is chosen stays in memory. */
async function* candidatesOf(target: Descriptor, documents: Documents): AsyncGenerator<Candidate> {
  if (!isIndex(target.mediaType)) {
    yield await readCandidate(target, documents);
    return;
  }
  const entries = new Entries(documents);
  await entries.follow(target);
  for (const entry of entries.found)
    if ('error' in entry) yield { ...entry, descriptor: undefined, platform: ifComplete(entry.platform) };
    else yield await orUnreadable(entry, () => listed(entry, documents));
}

/** What an index leads to, and the indexes in it, in their order: manifests, and what can't be read. */
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

/** Its platform as the index says it, or else by its config. */
async function listed(descriptor: Descriptor, documents: Documents): Promise<Candidate> {
  const platform = ifComplete(descriptor.platform);
  return platform === undefined ? await readCandidate(descriptor, documents) : { descriptor, platform };
}

async function readCandidate(descriptor: Descriptor, documents: Documents): Promise<Candidate> {
  const image = await readImage(descriptor, documents);
  const { platform } = image.config;
  const told = descriptor.platform;
  return {
    descriptor,
    image,
    platform: told === undefined ? platform : completePlatform(told, platform),
  };
}

export async function readImage(descriptor: Descriptor, documents: Documents): Promise<ChosenManifest> {
  const manifest = await documents.manifest(descriptor);
  checkIsImage(manifest);
  return { descriptor, manifest, config: await documents.config(manifest.config) };
}

/** What can't be read may be for another platform: then nobody needs it. */
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
      hint: 'its blobs are to be had with oras, or the tool that it is made for',
    });
}

/** A platform that says both its os and its architecture. */
export function ifComplete(platform: Platform | undefined): Platform | undefined {
  return platform !== undefined && platform.os !== '' && platform.architecture !== '' ? platform : undefined;
}

function tooLarge(why: string): OverlayerError {
  return new OverlayerError('ResourceExhausted', `Cannot read the index of the image: ${why}`);
}

import { OverlayerError } from '../../base/errors.js';
import { artifactOf } from '../../oci/artifact.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import type { ImageManifest, UnreadableEntry } from '../../oci/manifest.js';
import { isIndex, isManifest } from '../../oci/media-types.js';
import { completePlatform, type Platform } from '../../oci/platform.js';
import { isCode } from '../source/is-code.js';
import type { ChosenManifest, Documents } from './documents.js';

/** Indexes within indexes: nobody makes more than two. */
const MAX_DEPTH = 4;
/** Documents that an index leads to; those that don't say their platform are read. */
const MAX_DOCUMENTS = 1000;

/** What could be chosen. */
export interface Candidate {
  readonly descriptor: Descriptor | undefined;
  /** Undefined where nobody can tell. */
  readonly platform: Platform | undefined;
  /** What had to be read to know its platform. */
  readonly image?: ChosenManifest | undefined;
  /** Why it can't be read. */
  readonly error?: OverlayerError | undefined;
}

/** What an image's manifest or index leads to, one by one: only what is chosen stays in memory. */
export async function* candidatesOf(target: Descriptor, documents: Documents): AsyncGenerator<Candidate> {
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

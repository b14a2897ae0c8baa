import { OverlayerError } from '../../base/errors.js';
import type { Descriptor } from '../../oci/descriptor.js';
import { quoted } from '../../oci/document.js';
import { rankPlatform } from '../../oci/match-platform.js';
import { completePlatform, formatPlatform, type Platform } from '../../oci/platform.js';
import { isCode } from '../source/is-code.js';
import { type Candidate, candidatesOf, readImage } from './candidates.js';
import type { ChosenManifest, Documents } from './documents.js';

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

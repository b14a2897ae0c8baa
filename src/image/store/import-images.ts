import { stat } from 'node:fs/promises';
import type { ByteSource } from '../../base/byte-source.js';
import { OverlayerError } from '../../base/errors.js';
import { displayPath } from '../../base/path-bytes.js';
import type { Tell } from '../../base/task.js';
import { pathOf } from '../../layer/open-source.js';
import type { Digest } from '../../oci/digest.js';
import { PullLease } from '../pull/pull-context.js';
import { type PullEvent, tellPassedOver } from '../pull/pull-event.js';
import { pullImage } from '../pull/pull-image.js';
import { newImageName, parseReference } from '../reference.js';
import type { ImageSource, SourceImage } from '../source/image-source.js';
import { listNames } from '../source/local-image-source.js';
import { openImageArchive, openImageLayout } from '../source/open-local-images.js';
import { AdmittedImage } from './admit-image.js';
import type { ImageRecord } from './image-records.js';
import type { ImportOptions } from './store.js';
import type { StoreParts } from './store-parts.js';

/** Imports the images of a layout or an archive in sequence. Complete images stay when a later one fails. */
export async function importImages(
  parts: StoreParts,
  from: string | URL | ByteSource | ImageSource,
  options: ImportOptions,
  tell: Tell<PullEvent>,
): Promise<readonly ImageRecord[]> {
  // Before anything is read.
  const given = options.name === undefined ? undefined : parseReference(options.name).name;
  if (isImageSource(from)) return await importFrom(parts, from, { ...options, given }, tell);
  // Protects the blobs that a streamed archive writes into the content store before its images are recorded.
  const lease = await PullLease.take(parts);
  try {
    await using source = await openSource(parts, from, lease, options);
    return await importFrom(parts, source, { ...options, given }, tell);
  } finally {
    // Blobs of recorded images stay.
    await lease.noteAllMade();
    await lease.undo();
  }
}

/** @param given the name for the only image */
async function importFrom(
  parts: StoreParts,
  source: ImageSource,
  options: ImportOptions & { readonly given: string | undefined },
  tell: Tell<PullEvent>,
): Promise<readonly ImageRecord[]> {
  const { given } = options;
  const records: ImageRecord[] = [];
  const images = await source.images(options);
  if (given !== undefined && new Set(images.map(({ target }) => target.digest)).size > 1)
    throw new OverlayerError('InvalidArgument', `There are ${images.length} images: one name is not enough`, {
      hint: `choose one of them, or leave them the names that they have: ${listNames(images)}`,
    });
  checkNames(images, source.description);
  tellPassedOver(source, tell);
  const admitted: AdmittedImage[] = [];
  for (const { name, target } of given === undefined ? images : images.slice(0, 1)) {
    const chosen = given === undefined ? name : newImageName(given, target.digest);
    admitted.push(await AdmittedImage.admit(chosen ?? target.digest, target, options));
  }
  for (const image of admitted) records.push(await pullImage(parts, source, image, options, tell));
  return records;
}

/** Two images with one name would replace one another. @throws OverlayerError `InvalidArgument` */
function checkNames(images: readonly SourceImage[], description: string): void {
  const digests = new Map<string, Digest>();
  for (const { name, target } of images) {
    if (name === undefined) continue;
    const other = digests.get(name) ?? target.digest;
    if (other !== target.digest)
      throw new OverlayerError(
        'InvalidArgument',
        `There are several images of the name "${displayPath(name)}" in "${description}"`,
        { hint: `choose one by its digest: ${other}, ${target.digest}` },
      );
    digests.set(name, other);
  }
}

function isImageSource(from: string | URL | ByteSource | ImageSource): from is ImageSource {
  return typeof from === 'object' && from !== null && 'images' in from && typeof from.images === 'function';
}

async function openSource(
  parts: StoreParts,
  from: string | URL | ByteSource,
  lease: PullLease,
  options: ImportOptions,
): Promise<ImageSource> {
  const source = from instanceof URL ? pathOf(from) : from;
  const { names, signal } = options;
  if (typeof source === 'string' && (await isDirectory(source)))
    return await openImageLayout(source, { names, signal });
  return await openImageArchive(source, { names, signal, content: parts.content, lease: lease.id });
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false; // opening it reports the error
  }
}

import { stat } from 'node:fs/promises';
import type { ByteSource } from '../base/byte-source.js';
import { OverlayerError } from '../base/errors.js';
import type { ImageRecord } from './image-records.js';
import type { ImageSource } from './image-source.js';
import { openImageArchive } from './open-image-archive.js';
import { openImageLayout } from './open-image-layout.js';
import type { PullEvent } from './pull/pull-event.js';
import { pullImage } from './pull/pull-image.js';
import { PullLease } from './pull/pull-lease.js';
import { parseReference } from './reference.js';
import type { ImportOptions } from './store.js';
import type { StoreParts } from './store-parts.js';
import type { Tell } from './task.js';

/** Images of a layout or an archive, one after the other. Those that are whole stay when a later one fails. */
export async function importImages(
  parts: StoreParts,
  from: string | ByteSource,
  options: ImportOptions,
  tell: Tell<PullEvent>,
): Promise<readonly ImageRecord[]> {
  const given = options.name === undefined ? undefined : parseReference(options.name).name;
  // For what an archive that can only be read once puts into the content store on its way.
  const lease = await PullLease.take(parts);
  try {
    await using source = await openSource(parts, from, lease, options);
    const records: ImageRecord[] = [];
    const images = await source.images(options);
    if (given !== undefined && images.length > 1)
      throw new OverlayerError(
        'InvalidArgument',
        `There are ${images.length} images: one name is not enough`,
        {
          hint: 'choose one of them (--image), or leave them the names that they have',
        },
      );
    for (const { name, target } of images) {
      const image = { name: given ?? name ?? target.digest, target };
      records.push(await pullImage(parts, source, image, options, tell));
    }
    return records;
  } finally {
    // What has become part of an image stays.
    await lease.noteAllMade();
    await lease.undo();
  }
}

async function openSource(
  parts: StoreParts,
  from: string | ByteSource,
  lease: PullLease,
  options: ImportOptions,
): Promise<ImageSource> {
  if (typeof from === 'string' && (await isDirectory(from))) return await openImageLayout(from, options);
  return await openImageArchive(from, { ...options, content: parts.content, lease: lease.id });
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false; // whoever opens it says why
  }
}

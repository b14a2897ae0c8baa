import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** What `openImageLayout`, or `openImageArchive`, opens. */
export type StoredImageKind = 'layout' | 'archive';

/**
 * What a path leads to, by content: a directory with an OCI layout; an archive, compressed or not, whose first files are
 * those of images and nothing else; undefined for all else, as a layer, or a pipe, which can be read only once.
 *
 * @throws OverlayerError `NotFound`, `PermissionDenied`
 */
export async function detectSource(path: string): Promise<StoredImageKind | undefined> {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory())
    return existsSync(join(path, 'oci-layout')) ? 'layout' : undefined;
  // Late, as all that the public entry need not load at once.
  const { beginsAsImages } = await import('./archive-head.js');
  return (await beginsAsImages(path)) ? 'archive' : undefined;
}

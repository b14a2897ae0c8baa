import type { AbortableOptions } from '../../base/abort.js';
import { OverlayerError } from '../../base/errors.js';
import type { ContentStore } from '../../content/content-store.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import { type ImageManifest, parseIndex, parseManifest } from '../../oci/manifest.js';
import { isIndex, isManifest, isNonDistributable } from '../../oci/media-types.js';
import { readDocument } from '../source/blob-bytes.js';
import { contentSource, notKept } from './content-source.js';

/** The blobs of an image in the content store. */
export interface ImageBlobs {
  readonly blobs: ReadonlyMap<Digest, Descriptor>;
  /** In the order of the index. */
  readonly manifests: readonly PresentManifest[];
}

export interface PresentManifest {
  /** The descriptor in the index, which may have a platform. */
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
}

/**
 * Finds all blobs that an image's index or manifest refers to. A manifest of an index may be absent, as after a pull for
 * one platform. All blobs of a present manifest must be present, except non-distributable layers.
 *
 * @throws OverlayerError `NotFound`; `DataLoss` for a damaged document; as `parseManifest`
 */
export async function findImageBlobs(
  content: ContentStore,
  target: Descriptor,
  options: AbortableOptions = {},
): Promise<ImageBlobs> {
  const source = contentSource(content, { name: target.digest, target });
  const blobs = new Map<Digest, Descriptor>();
  const manifests: PresentManifest[] = [];
  // Each document is read once, so cycles end; the list of pending ones replaces recursion.
  const pending = [target];
  for (let descriptor = pending.pop(); descriptor !== undefined; descriptor = pending.pop()) {
    const { digest, mediaType } = descriptor;
    if (blobs.has(digest)) continue;
    if (descriptor !== target && !(await isPresent(content, descriptor))) continue;
    blobs.set(digest, descriptor);
    if (isIndex(mediaType)) {
      const index = parseIndex(await readDocument(source, descriptor, options), mediaType);
      for (const child of index.manifests.toReversed()) pending.push(child);
    } else if (isManifest(mediaType)) {
      const manifest = parseManifest(await readDocument(source, descriptor, options), mediaType);
      manifests.push({ descriptor, manifest });
      for (const blob of [manifest.config, ...manifest.layers])
        if (await isWanted(content, blob)) blobs.set(blob.digest, blob);
    }
  }
  if (manifests.length > 0) return { blobs, manifests };
  throw new OverlayerError('NotFound', `Nothing of image ${target.digest} is in the content store`, {
    hint: 'pull or import the image again without --discard-blobs: layers that are unpacked stay, and their blobs are fetched',
  });
}

async function isWanted(content: ContentStore, blob: Descriptor): Promise<boolean> {
  if (await isPresent(content, blob)) return true;
  if (isNonDistributable(blob.mediaType)) return false;
  throw notKept(blob.digest);
}

async function isPresent(content: ContentStore, { digest }: Descriptor): Promise<boolean> {
  return (await content.find(digest)) !== undefined;
}

import type { AbortableOptions } from '../../base/abort.js';
import { isCode, OverlayerError } from '../../base/errors.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import { type ImageManifest, parseIndex, parseManifest } from '../../oci/manifest.js';
import { isIndex, isManifest } from '../../oci/media-types.js';
import { readDocument } from '../source/blob-bytes.js';
import type { ImageSource } from '../source/image-source.js';

/** Most documents of an image. They are in memory until the image is written. */
const MAX_DOCUMENTS = 10_000;
/** Most bytes of all documents of an image. */
const MAX_BYTES = 64 * 1024 ** 2;

/** A manifest, or an index without one. */
export interface GraphDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly manifest: ImageManifest | undefined;
}

/** All that an image refers to, as far as the source has it. */
export interface ImageGraph {
  /** Each document once, below those that refer to it. The last one is the image's own. */
  readonly documents: readonly GraphDocument[];
  /** Entries of indexes that are neither manifests nor indexes. */
  readonly others: readonly Descriptor[];
  /** Entries of indexes that the source does not have. */
  readonly missing: readonly Descriptor[];
}

/**
 * Reads the documents of an image. An index may list manifests that the source lacks, as after a pull for one platform.
 *
 * @throws OverlayerError
 *   - `NotFound`: the image itself is missing
 *   - `DataLoss`: a document is damaged
 *   - `ResourceExhausted`: too many documents
 *   - as `parseManifest`
 */
export async function readImageGraph(
  source: ImageSource,
  target: Descriptor,
  { signal }: AbortableOptions = {},
): Promise<ImageGraph> {
  const documents: GraphDocument[] = [];
  const others: Descriptor[] = [];
  const missing: Descriptor[] = [];
  const seen = new Set<Digest>();
  let size = 0;
  // Each document is read once, so cycles end; the list of pending ones replaces recursion. An index is pending a second
  // time below its children.
  const pending: { readonly descriptor: Descriptor; readonly bytes?: Uint8Array }[] = [
    { descriptor: target },
  ];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { descriptor, bytes: index } = next;
    const { digest, mediaType } = descriptor;
    if (index !== undefined) {
      documents.push({ descriptor, bytes: index, manifest: undefined });
      continue;
    }
    if (seen.has(digest)) continue;
    seen.add(digest);
    if (!isIndex(mediaType) && !isManifest(mediaType)) {
      const isThere = (await source.has?.(descriptor)) ?? true;
      (isThere ? others : missing).push(descriptor);
      continue;
    }
    const bytes = await readDocument(source, descriptor, { signal }).catch((error: unknown) => {
      if (descriptor === target || !isCode(error, 'NotFound')) throw error;
      return undefined;
    });
    if (bytes === undefined) {
      missing.push(descriptor);
      continue;
    }
    size += bytes.length;
    if (size > MAX_BYTES || documents.length + pending.length >= MAX_DOCUMENTS) throw tooMany(target);
    if (isManifest(mediaType))
      documents.push({ descriptor, bytes, manifest: parseManifest(bytes, mediaType) });
    else {
      pending.push({ descriptor, bytes });
      for (const child of parseIndex(bytes, mediaType).manifests.toReversed())
        pending.push({ descriptor: child });
    }
  }
  return { documents, others, missing };
}

function tooMany({ digest }: Descriptor): OverlayerError {
  return new OverlayerError(
    'ResourceExhausted',
    `Cannot copy image ${digest}: its manifests and indexes exceed ${MAX_DOCUMENTS}, or ${MAX_BYTES} bytes`,
  );
}

/** The error for an image of which only an index is there. */
export function nothingOf({ digest }: Descriptor, { description }: ImageSource): OverlayerError {
  return new OverlayerError('NotFound', `Nothing of image ${digest} is in "${description}"`, {
    hint: 'pull or import the image again without --discard-blobs: layers that are unpacked stay, and their blobs are fetched',
  });
}

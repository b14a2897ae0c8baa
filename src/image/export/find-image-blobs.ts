import { Readable } from 'node:stream';
import type { AbortableOptions } from '../../base/abort.js';
import type { ContentStore } from '../../content/content-store.js';
import { readErofsTar } from '../../layer/erofs/verify-erofs-layer.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { DiffID, Digest } from '../../oci/digest.js';
import type { ImageManifest } from '../../oci/manifest.js';
import { MEDIA_TYPE } from '../../oci/media-types.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import { nothingOf, readImageGraph } from '../copy/image-graph.js';
import { planBlobs } from '../copy/plan-blobs.js';
import { type NewLayer, rewriteDocuments } from '../copy/rewrite-documents.js';
import { verifiedBytes } from '../source/blob-bytes.js';
import { contentSource } from '../source/content-source.js';
import type { SourceImage } from '../source/image-source.js';

/** A blob of the archive. */
export interface ExportedBlob {
  readonly descriptor: Descriptor;
  read(): AsyncIterable<Uint8Array>;
}

export interface PresentManifest {
  /** The descriptor in the index, which may have a platform. */
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
}

/** An image and its blobs, as the archive has them. */
export interface ExportedImage {
  readonly image: SourceImage;
  readonly blobs: ReadonlyMap<Digest, ExportedBlob>;
  /** In the order of the index. */
  readonly manifests: readonly PresentManifest[];
  /** Layers that are written as plain tars. */
  readonly plainLayers: readonly DiffID[];
}

export interface FindOptions extends AbortableOptions {
  readonly snapshots?: Snapshotter | undefined;
}

/**
 * Finds all blobs that an image's index or manifest refers to. A manifest of an index may be absent, as after a pull for
 * one platform. All blobs of a present manifest must be present, except non-distributable layers and those that are
 * layer files. Documents that lead to such a layer are written anew, with its plain tar.
 *
 * @throws OverlayerError `NotFound`; `DataLoss` for a damaged document; as `parseManifest`
 */
export async function findImageBlobs(
  content: ContentStore,
  image: SourceImage,
  { snapshots, signal }: FindOptions,
): Promise<ExportedImage> {
  const source = contentSource(content, { name: image.target.digest, target: image.target }, snapshots);
  const graph = await readImageGraph(source, image.target, { signal });
  const planned = await planBlobs(source, graph, {
    compression: undefined,
    fallback: 'none',
    foreignLayers: true,
    signal,
  });
  const blobs = new Map<Digest, ExportedBlob>();
  const layers = new Map<Digest, NewLayer>();
  for (const { descriptor, rewrite } of planned)
    if (rewrite?.file === undefined)
      blobs.set(descriptor.digest, {
        descriptor,
        read: () => verifiedBytes(content.read(descriptor.digest, { signal }), descriptor),
      });
    else {
      const { path, diffID: digest, tar } = rewrite.file;
      const size = tar.length;
      layers.set(descriptor.digest, { digest, size, compression: 'none' });
      const plain = { mediaType: MEDIA_TYPE.layer, digest, size };
      blobs.set(digest, { descriptor: plain, read: () => readErofsTar(path, { signal }) });
    }
  const manifests: PresentManifest[] = [];
  const documents = rewriteDocuments(graph, { layers });
  for (const { descriptor, bytes, manifest } of documents) {
    blobs.set(descriptor.digest, { descriptor, read: () => Readable.from([bytes]) });
    if (manifest !== undefined) manifests.push({ descriptor, manifest });
  }
  if (manifests.length === 0) throw nothingOf(image.target, source);
  const target = documents.at(-1)!.descriptor;
  const plainLayers = [...layers.values()].map(({ digest }) => digest);
  return { image: { ...image, target }, blobs, manifests, plainLayers };
}

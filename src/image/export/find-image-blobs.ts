import { createHash } from 'node:crypto';
import type { AbortableOptions } from '../../base/abort.js';
import { OverlayerError } from '../../base/errors.js';
import type { ContentStore } from '../../content/content-store.js';
import { readErofsLayer } from '../../layer/erofs/read-erofs-layer.js';
import { readErofsTar } from '../../layer/erofs/verify-erofs-layer.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { DiffID, Digest } from '../../oci/digest.js';
import { parseImageConfig } from '../../oci/image-config.js';
import { type ImageManifest, parseIndex, parseManifest } from '../../oci/manifest.js';
import { isConfig, isIndex, isManifest, isNonDistributable, MEDIA_TYPE } from '../../oci/media-types.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import { checkDigest, otherSize, readDocument, sha256 } from '../source/blob-bytes.js';
import { planLayers } from '../source/image-contents.js';
import type { ImageSource, SourceImage } from '../source/image-source.js';
import { withLayerFiles } from '../store/with-layer-files.js';
import { contentSource, notKept } from './content-source.js';

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
  options: FindOptions,
): Promise<ExportedImage> {
  const finder = new BlobFinder(content, image.target, options);
  return { ...(await finder.find()), image: { ...image, target: finder.written(image.target) } };
}

class BlobFinder {
  readonly #content: ContentStore;
  readonly #target: Descriptor;
  readonly #snapshots: Snapshotter | undefined;
  readonly #options: AbortableOptions;
  readonly #source: ImageSource;
  readonly #blobs = new Map<Digest, ExportedBlob>();
  readonly #manifests: PresentManifest[] = [];
  readonly #plainLayers = new Set<DiffID>();
  /** Documents that have another digest in the archive. */
  readonly #renamed = new Map<Digest, Pick<Descriptor, 'digest' | 'size'>>();

  constructor(content: ContentStore, target: Descriptor, { snapshots, signal }: FindOptions) {
    this.#content = content;
    this.#target = target;
    this.#snapshots = snapshots;
    this.#options = { signal };
    this.#source = contentSource(content, { name: target.digest, target });
  }

  async find(): Promise<Omit<ExportedImage, 'image'>> {
    const seen = new Set<Digest>();
    // Each document is read once, so cycles end; the list of pending ones replaces recursion. An index is pending a second
    // time below its children: it is written when their digests are known.
    const pending: { readonly descriptor: Descriptor; readonly index?: Uint8Array }[] = [
      { descriptor: this.#target },
    ];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const { descriptor, index } = next;
      const { digest, mediaType } = descriptor;
      if (index !== undefined) {
        this.#addIndex(descriptor, index);
        continue;
      }
      if (seen.has(digest)) continue;
      if (descriptor !== this.#target && !(await this.#isPresent(descriptor))) continue;
      seen.add(digest);
      if (isIndex(mediaType)) {
        const bytes = await readDocument(this.#source, descriptor, this.#options);
        pending.push({ descriptor, index: bytes });
        for (const child of parseIndex(bytes, mediaType).manifests.toReversed())
          pending.push({ descriptor: child });
      } else if (isManifest(mediaType)) await this.#addManifest(descriptor);
      else this.#addKept(descriptor);
    }
    if (this.#manifests.length > 0)
      return {
        blobs: this.#blobs,
        manifests: this.#manifests,
        plainLayers: [...this.#plainLayers],
      };
    throw new OverlayerError('NotFound', `Nothing of image ${this.#target.digest} is in the content store`, {
      hint: 'pull or import the image again without --discard-blobs: layers that are unpacked stay, and their blobs are fetched',
    });
  }

  /** The descriptor of a document in the archive. */
  written(descriptor: Descriptor): Descriptor {
    const renamed = this.#renamed.get(descriptor.digest);
    return renamed === undefined ? descriptor : { ...descriptor, ...renamed };
  }

  async #addManifest(descriptor: Descriptor): Promise<void> {
    const { mediaType } = descriptor;
    const bytes = await readDocument(this.#source, descriptor, this.#options);
    const manifest = parseManifest(bytes, mediaType);
    const missing: Descriptor[] = [];
    for (const blob of [manifest.config, ...manifest.layers])
      if (await this.#isPresent(blob)) this.#addKept(blob);
      else if (!isNonDistributable(blob.mediaType)) missing.push(blob);
    if (missing.length === 0) {
      this.#addKept(descriptor);
      this.#manifests.push({ descriptor, manifest });
      return;
    }
    const plain = await this.#addPlainLayers(manifest, missing);
    const orPlain = (layer: Descriptor, at: number): Descriptor => plain.get(at) ?? layer;
    const document = JSON.parse(Buffer.from(bytes).toString());
    const written = this.#addDocument(descriptor, { ...document, layers: document.layers.map(orPlain) });
    const layers = manifest.layers.map(orPlain);
    this.#manifests.push({ descriptor: written, manifest: { ...manifest, layers } });
  }

  /** @returns the descriptors of the missing layers' tars, by their places in the manifest */
  async #addPlainLayers(
    manifest: ImageManifest,
    missing: readonly Descriptor[],
  ): Promise<ReadonlyMap<number, Descriptor>> {
    const snapshots = this.#snapshots;
    const { config } = manifest;
    const lost = notKept(missing[0]!.digest);
    if (snapshots === undefined || missing.includes(config) || !isConfig(config.mediaType)) throw lost;
    const parsed = parseImageConfig(await readDocument(this.#source, config, this.#options));
    const layers = planLayers({ descriptor: this.#target, manifest, config: parsed });
    const files = await withLayerFiles(snapshots, layers, async (paths) => paths.map(readErofsLayer));
    if (files === undefined) throw lost;
    const isDocker = config.mediaType === MEDIA_TYPE.dockerConfig;
    const mediaType = isDocker ? MEDIA_TYPE.dockerLayer : MEDIA_TYPE.layer;
    const plain = new Map<number, Descriptor>();
    for (const [at, { path, diffID, tar }] of files.entries()) {
      if (!missing.includes(manifest.layers[at]!)) continue;
      // Annotations of the blob, such as tables of contents, do not fit its tar.
      const descriptor: Descriptor = { mediaType, digest: diffID, size: tar.length };
      this.#blobs.set(diffID, { descriptor, read: () => readErofsTar(path, this.#options) });
      this.#plainLayers.add(diffID);
      plain.set(at, descriptor);
    }
    return plain;
  }

  #addIndex(descriptor: Descriptor, bytes: Uint8Array): void {
    const document = JSON.parse(Buffer.from(bytes).toString());
    const isRenamed = ({ digest }: { digest?: Digest }) => digest !== undefined && this.#renamed.has(digest);
    const entries: readonly Descriptor[] = document.manifests ?? [];
    if (!entries.some((entry) => entry !== null && isRenamed(entry))) this.#addKept(descriptor);
    else {
      const manifests = entries.map((entry) => (entry === null ? entry : this.written(entry)));
      this.#addDocument(descriptor, { ...document, manifests });
    }
  }

  #addDocument(descriptor: Descriptor, document: object): Descriptor {
    const bytes = Buffer.from(JSON.stringify(document));
    const digest = sha256(bytes);
    this.#renamed.set(descriptor.digest, { digest, size: bytes.length });
    const written = this.written(descriptor);
    this.#blobs.set(digest, {
      descriptor: written,
      async *read() {
        yield bytes;
      },
    });
    return written;
  }

  #addKept(descriptor: Descriptor): void {
    const read = () => readVerified(this.#content, descriptor, this.#options);
    this.#blobs.set(descriptor.digest, { descriptor, read });
  }

  async #isPresent({ digest }: Descriptor): Promise<boolean> {
    return (await this.#content.find(digest)) !== undefined;
  }
}

/**
 * Reads a blob and compares it with its descriptor. A wrong digest is reported after the last byte.
 *
 * @throws OverlayerError `NotFound`; `DataLoss` when they are not what the descriptor says
 */
async function* readVerified(
  content: ContentStore,
  descriptor: Descriptor,
  options: AbortableOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  const { size } = await content.stat(descriptor.digest);
  if (size !== descriptor.size) throw otherSize(descriptor, String(size));
  const hash = createHash('sha256');
  for await (const chunk of content.read(descriptor.digest, options)) {
    hash.update(chunk);
    yield chunk;
  }
  checkDigest(descriptor, `sha256:${hash.digest('hex')}`);
}

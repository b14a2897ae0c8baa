import { setMaxListeners } from 'node:events';
import { checkChoice } from '../../base/check-arguments.js';
import { isCode, OverlayerError } from '../../base/errors.js';
import type { Tell } from '../../base/task.js';
import { Semaphore } from '../../base/threads/semaphore.js';
import { withContext } from '../../base/with-context.js';
import type { FileRange } from '../../layer/options.js';
import { recompressLayer } from '../../layer/recompress-layer.js';
import { artifactOf } from '../../oci/artifact.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import { isIndex, LAYER_TYPES, MEDIA_TYPE } from '../../oci/media-types.js';
import { hostPlatform } from '../../oci/platform.js';
import { chooseManifest, documentsOf } from '../pull/choose-manifest.js';
import { newImageName, type Reference, storedReference } from '../reference.js';
import { bytesOf, isFile, openLayer, readDocument, verifyBlob } from '../source/blob-bytes.js';
import type { ImageSource, SourceImage } from '../source/image-source.js';
import type { ImageTarget, NewBlob } from '../target/image-target.js';
import { type ImageGraph, nothingOf, readImageGraph } from './image-graph.js';
import type { CopiedImage, CopyEvent, CopyOptions } from './options.js';
import { keyOf, type LayerRewrite, type PlannedBlob, planBlobs } from './plan-blobs.js';
import { type NewLayer, rewriteDocuments } from './rewrite-documents.js';

const CONCURRENCY = 4;

/** One call of `copyImage`. */
export class ImageCopy {
  readonly #source: ImageSource;
  readonly #target: ImageTarget;
  readonly #options: CopyOptions;
  readonly #tell: Tell<CopyEvent>;
  readonly #slots: Semaphore;
  readonly #failed = new AbortController();
  readonly #signal: AbortSignal;
  /** Blobs at the target, by `keyOf`. */
  readonly #copied = new Map<string, Descriptor>();
  readonly #layers = new Map<Digest, NewLayer>();

  constructor(source: ImageSource, target: ImageTarget, options: CopyOptions, tell: Tell<CopyEvent>) {
    const { concurrency = CONCURRENCY, compression, signal } = options;
    if (!Number.isSafeInteger(concurrency) || concurrency < 1)
      throw new OverlayerError('InvalidArgument', `Not a number of blobs at once: ${concurrency}`);
    if (compression !== undefined) checkChoice('compression', compression, Object.keys(LAYER_TYPES.oci));
    this.#source = source;
    this.#target = target;
    this.#options = options;
    this.#tell = tell;
    this.#slots = new Semaphore(concurrency);
    const both = signal === undefined ? [this.#failed.signal] : [signal, this.#failed.signal];
    this.#signal = AbortSignal.any(both);
    // Each blob adds several listeners: many of them are no leak.
    setMaxListeners(0, this.#signal);
  }

  async run(): Promise<readonly CopiedImage[]> {
    const signal = this.#signal;
    signal.throwIfAborted();
    const images = await this.#source.images({ signal });
    this.#checkCount(images);
    const written: (CopiedImage & { readonly bytes: Uint8Array })[] = [];
    for (const image of images) written.push(await this.#copyParts(image));
    for (const { name, target, bytes } of written) await this.#target.name(name, target, bytes, { signal });
    await this.#target.finish?.({ signal });
    return written.map(({ bytes: _, ...copied }) => copied);
  }

  #checkCount(images: readonly SourceImage[]): void {
    const { description } = this.#target;
    const several = this.#target.form?.severalImages === true && this.#options.name === undefined;
    if (images.length === 1 || several) return;
    throw new OverlayerError(
      'InvalidArgument',
      `There are ${images.length} images in "${this.#source.description}": one name in "${description}" is not enough`,
      { hint: 'choose one of them by its name' },
    );
  }

  /** Copies all of an image but its name. */
  async #copyParts(image: SourceImage): Promise<CopiedImage & { readonly bytes: Uint8Array }> {
    const source = this.#source;
    const signal = this.#signal;
    const name = this.#options.name ?? image.name;
    const { form = {} } = this.#target;
    const chosen = await this.#choose(image);
    let graph = await readImageGraph(source, chosen, { signal });
    const missing = await this.#findMissing(graph);
    if (missing.length > 0) this.#tell({ type: 'missing', name, manifests: missing });
    const leftOut = new Set(form.partialIndexes ? [] : missing.map(({ digest }) => digest));
    const lone = leftOut.size > 0 ? loneImage(graph) : undefined;
    if (lone !== undefined) graph = await readImageGraph(source, lone, { signal });
    const { compression = form.plainLayers ? 'none' : undefined, oci } = this.#options;
    const fallback = compression ?? 'gzip';
    const foreignLayers = form.foreignLayers ?? false;
    const blobs = await planBlobs(source, graph, { compression, fallback, foreignLayers, signal });
    const descriptors = blobs.map(({ descriptor }) => descriptor);
    this.#tell({ type: 'plan', name, target: lone ?? chosen, blobs: descriptors });
    await this.#copyAll(blobs, originsOf(image));
    const documents = rewriteDocuments(graph, { layers: this.#layers, leftOut, oci });
    const top = documents.at(-1);
    if (top === undefined) throw nothingOf(image.target, source);
    const given = this.#options.name;
    if (given !== undefined && storedReference(given) !== undefined)
      newImageName(given, top.descriptor.digest);
    for (const { descriptor, bytes } of documents)
      await this.#target.writeManifest(descriptor, bytes, { signal });
    return { name, source: image.target, target: top.descriptor, missing, bytes: top.bytes };
  }

  async #choose({ name, target }: SourceImage): Promise<Descriptor> {
    const isOne = this.#target.form?.plainLayers === true && isIndex(target.mediaType);
    const { platform = isOne ? hostPlatform() : undefined } = this.#options;
    if (platform === undefined) return target;
    const documents = documentsOf((descriptor) =>
      readDocument(this.#source, descriptor, { signal: this.#signal }),
    );
    return (await chooseManifest(name ?? target.digest, target, platform, documents)).descriptor;
  }

  /** Entries that neither the source nor the target has. */
  async #findMissing({ missing }: ImageGraph): Promise<readonly Descriptor[]> {
    const found: Descriptor[] = [];
    for (const entry of missing)
      if (!(await this.#target.has(entry, { signal: this.#signal }))) found.push(entry);
    return found;
  }

  /** @throws the first failure; the other blobs have ended by then */
  async #copyAll(blobs: readonly PlannedBlob[], origins: readonly Reference[]): Promise<void> {
    // The largest begin first: none of them is left alone at the end while a core has nothing to do.
    const order = [...blobs.entries()].sort(([, a], [, b]) => b.descriptor.size - a.descriptor.size);
    const all = order.map(([index, blob]) => this.#copyOnce(index, blob, origins));
    for (const each of all) each.catch((error: unknown) => this.#failed.abort(error));
    const outcomes = await Promise.allSettled(all);
    if (outcomes.every(({ status }) => status === 'fulfilled')) return;
    this.#options.signal?.throwIfAborted();
    throw this.#failed.signal.reason;
  }

  async #copyOnce(index: number, blob: PlannedBlob, origins: readonly Reference[]): Promise<void> {
    const leave = await this.#slots.enter(this.#signal);
    try {
      const key = keyOf(blob);
      const known = this.#copied.get(key);
      const copied = known ?? (await this.#copy(index, blob, origins));
      if (copied === undefined) this.#tell({ type: 'skip', index });
      else this.#tell({ type: 'blob', index, descriptor: copied });
      this.#copied.set(key, copied ?? blob.descriptor);
    } finally {
      leave();
    }
  }

  /** @returns the blob at the target; undefined when it was there */
  async #copy(
    index: number,
    { descriptor, rewrite }: PlannedBlob,
    origins: readonly Reference[],
  ): Promise<Descriptor | undefined> {
    const source = this.#source;
    const signal = this.#signal;
    const { digest, mediaType } = descriptor;
    const size = rewrite?.file?.tar.length ?? descriptor.size;
    const onBytes = (bytes: number) => this.#tell({ type: 'progress', index, bytes, size }, index);
    if (rewrite === undefined) {
      if (await this.#target.has(descriptor, { origins, signal })) return undefined;
      const open: NewBlob['open'] = (offset) => openLayer(source, descriptor, { offset, signal });
      return await this.#explained(descriptor, () =>
        this.#target.writeBlob({ mediaType, digest, size, open }, { signal, onBytes }),
      );
    }
    const { diffID, compression, file } = rewrite;
    const isTar = file !== undefined && compression === 'none';
    const made = isTar
      ? await this.#writeTar(
          file.tar,
          { mediaType: MEDIA_TYPE.layer, digest: diffID, size: file.tar.length },
          onBytes,
        )
      : await this.#recompress(descriptor, rewrite, onBytes);
    this.#layers.set(digest, { digest: made.digest, size: made.size, compression });
    return made;
  }

  async #writeTar(tar: FileRange, layer: Descriptor, onBytes: (bytes: number) => void): Promise<Descriptor> {
    const signal = this.#signal;
    if (await this.#target.has(layer, { signal })) return layer;
    const open: NewBlob['open'] = async (offset) => ({
      bytes: { path: tar.path, offset: tar.offset + offset, length: tar.length - offset },
      offset,
    });
    const { mediaType, digest, size } = layer;
    return await this.#target.writeBlob({ mediaType, digest, size, open }, { signal, onBytes });
  }

  async #recompress(
    descriptor: Descriptor,
    { diffID, compression, file }: LayerRewrite,
    onBytes: (bytes: number) => void,
  ): Promise<Descriptor> {
    const signal = this.#signal;
    const { compressionLevel } = this.#options;
    const open: NewBlob['open'] = async () => {
      const bytes = file?.tar ?? (await openLayer(this.#source, descriptor, { signal })).bytes;
      const recompressed = recompressLayer(isFile(bytes) ? bytes : bytesOf(bytes), {
        ...{ compression, compressionLevel, diffID, signal },
        digest: file === undefined ? descriptor.digest : diffID,
        onProgress: ({ compressedBytes }) => onBytes(compressedBytes),
      });
      return { bytes: recompressed, offset: 0 };
    };
    const mediaType = LAYER_TYPES.oci[compression];
    try {
      return await this.#target.writeBlob({ mediaType, open }, { signal });
    } catch (error) {
      throw isCode(error, 'DataLoss') ? withContext(error, this.#context(descriptor)) : error;
    }
  }

  /** A target that refuses a blob can't tell whether the source or the way to the target has changed it. */
  async #explained<T>(descriptor: Descriptor, write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      if (!isCode(error, 'DataLoss', 'InvalidArgument')) throw error;
      await verifyBlob(this.#source, descriptor, { signal: this.#signal }).catch((cause: unknown) => {
        throw isCode(cause, 'DataLoss') ? withContext(cause, this.#context(descriptor)) : error;
      });
      throw error;
    }
  }

  #context({ digest }: Descriptor): { readonly prefix: string } {
    return { prefix: `Copy of blob ${digest}, read in "${this.#source.description}"` };
  }
}

/** The only image of an index that the source has. Attestations are not images. */
function loneImage({ documents }: ImageGraph): Descriptor | undefined {
  if (!isIndex(documents.at(-1)!.descriptor.mediaType)) return undefined;
  const images = documents.filter(({ manifest }) => manifest && artifactOf(manifest) === undefined);
  return images.length === 1 ? images[0]!.descriptor : undefined;
}

/** Repositories from which a registry can mount the blobs. */
function originsOf({ name }: SourceImage): readonly Reference[] {
  const reference = name === undefined ? undefined : storedReference(name);
  return reference === undefined ? [] : [reference];
}

import type { AbortableOptions } from '../../base/abort.js';
import { ifFound } from '../../base/if-found.js';
import type { Tell } from '../../base/task.js';
import type { Labels } from '../../metadata/labels.js';
import { artifactOf } from '../../oci/artifact.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import { parseImageConfig } from '../../oci/image-config.js';
import { parseIndex } from '../../oci/manifest.js';
import { UNCOMPRESSED_LABEL } from '../../snapshot/labels.js';
import { PullLease } from '../pull/pull-context.js';
import { pullImage } from '../pull/pull-image.js';
import { newImageName } from '../reference.js';
import { readDocument } from '../source/blob-bytes.js';
import { contentSource } from '../source/content-source.js';
import { planLayers, readContents } from '../source/image-contents.js';
import type { ImageSource } from '../source/image-source.js';
import { AdmittedImage } from '../store/admit-image.js';
import { indexLabels, manifestLabels } from '../store/image-labels.js';
import type { ImageRecord } from '../store/image-records.js';
import { putBlob } from '../store/put-blob.js';
import type { Image } from '../store/store.js';
import type { StoreParts } from '../store/store-parts.js';
import type { ImageTarget, NewBlob, WriteBlobOptions } from '../target/image-target.js';
import { receiveBlob, writeAsBlob } from '../target/write-blob.js';
import { ImageCopy } from './image-copy.js';
import { readImageGraph } from './image-graph.js';
import type { ConvertEvent, ConvertOptions } from './options.js';

/**
 * See `Store.convert`. The copy leaves blobs under a lease; then the image enters the store as in a pull. Its layers have the
 * same diffIDs, so their snapshots are there, unless they were removed. A failure deletes all that was made.
 */
export async function convertImage(
  parts: StoreParts,
  image: Image,
  newName: string,
  options: ConvertOptions,
  tell: Tell<ConvertEvent>,
): Promise<ImageRecord> {
  const name = newImageName(newName);
  const { platform = image.platform, labels, concurrency, signal, verify, ...rewrite } = options;
  const lease = await PullLease.take(parts);
  try {
    const source = contentSource(parts.content, image, parts.snapshots);
    await using target = new LeasedContent(parts, lease);
    const copying = { ...rewrite, platform: options.platform, concurrency, signal, name };
    const [copied] = await new ImageCopy(source, target, copying, tell).run();
    await labelDocuments(parts, source, copied!.target);
    const { layers } = await readContents(parts.content, { name, target: copied!.target }, platform);
    const snapshots = await Promise.all(layers.map(({ chainID }) => parts.snapshots.find(chainID)));
    const isUnpacked = snapshots.every((snapshot) => snapshot !== undefined);
    const admitted = await AdmittedImage.admit(name, copied!.target, { verify, signal });
    const record = await pullImage(parts, source, admitted, { platform, labels, signal }, (event, key) => {
      if (!isUnpacked) tell({ type: 'unpack', event }, key);
    });
    await lease.release();
    return record;
  } catch (error) {
    // The error of the conversion is the cause; one of the cleanup is not reported.
    await lease.undo().catch(() => {});
    throw error;
  }
}

/** Makes all documents refer to their parts. A pull does this for its own platform only. */
async function labelDocuments(
  { content }: StoreParts,
  source: ImageSource,
  target: Descriptor,
): Promise<void> {
  const label = async (digest: Digest, labels: Labels) =>
    await content.update(
      digest,
      { labels },
      { fieldpaths: Object.keys(labels).map((key) => `labels.${key}`) },
    );
  const { documents } = await readImageGraph(source, target);
  for (const { descriptor, bytes, manifest } of documents) {
    if (manifest === undefined) {
      await label(descriptor.digest, indexLabels(parseIndex(bytes, descriptor.mediaType)));
      continue;
    }
    await label(descriptor.digest, manifestLabels(manifest, true));
    if (artifactOf(manifest) !== undefined) continue;
    const config = parseImageConfig(await readDocument(source, manifest.config));
    // The store may lack a non-distributable layer.
    for (const { descriptor: layer, diffID } of planLayers({ descriptor, manifest, config }))
      await ifFound(label(layer.digest, { [UNCOMPRESSED_LABEL]: diffID }));
  }
}

/** The content store of an image store as a target. The lease holds all that is in it. */
class LeasedContent implements ImageTarget {
  readonly description = 'the store';
  readonly form = { foreignLayers: true } as const;
  readonly #parts: StoreParts;
  readonly #lease: PullLease;

  constructor(parts: StoreParts, lease: PullLease) {
    this.#parts = parts;
    this.#lease = lease;
  }

  async has({ digest }: Descriptor): Promise<boolean> {
    await this.#lease.hold({ type: 'content', id: digest });
    return (await this.#parts.content.find(digest)) !== undefined;
  }

  async writeBlob(blob: NewBlob, options?: WriteBlobOptions): Promise<Descriptor> {
    return await putBlob(this.#parts, this.#lease, async (ingest) => {
      const result = await receiveBlob(blob, (chunk) => ingest.write(chunk), options);
      const { digest, size } = result;
      return { result, blob: { digest, size, signal: options?.signal } };
    });
  }

  async writeManifest(manifest: Descriptor, bytes: Uint8Array, options?: AbortableOptions): Promise<void> {
    await writeAsBlob(this, manifest, bytes, options);
  }

  async name(): Promise<void> {}

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}

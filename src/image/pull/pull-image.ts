import type { OptionNames } from '../../base/check-arguments.js';
import { checkChoice } from '../../base/check-arguments.js';
import { OverlayerError } from '../../base/errors.js';
import type { Limits } from '../../base/limits.js';
import type { Tell } from '../../base/task.js';
import type { UnpackLayerOptions } from '../../layer/options.js';
import type { Labels } from '../../metadata/labels.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import { type ImageConfig, parseImageConfig } from '../../oci/image-config.js';
import { type ImageIndex, type ImageManifest, parseIndex, parseManifest } from '../../oci/manifest.js';
import { formatPlatform, hostPlatform, type Platform } from '../../oci/platform.js';
import { readDocument, sha256 } from '../source/blob-bytes.js';
import { planLayers } from '../source/image-contents.js';
import type { ImageSource } from '../source/image-source.js';
import { ADMIT_OPTIONS, type AdmitOptions, type AdmittedImage } from '../store/admit-image.js';
import { configLabels, indexLabels, manifestLabels, PLATFORM_LABEL } from '../store/image-labels.js';
import { type ImageRecord, putImage } from '../store/image-records.js';
import type { StoreParts } from '../store/store-parts.js';
import { type ChosenManifest, chooseManifest, type Documents } from './choose-manifest.js';
import { fetchIntoIngest } from './fetch-layer.js';
import { isForCaller, LayersAhead } from './layers-ahead.js';
import { openBlobIngest, type PullContext, PullLease } from './pull-context.js';
import type { PlannedLayer, PullEvent } from './pull-event.js';
import { boundedBy, defaultConcurrency, fixedConcurrency, unpackLayers } from './unpack-layers.js';

/** Options of `pull` and `import`. */
export interface GetImageOptions extends AdmitOptions {
  /** @default that of this host */
  readonly platform?: Platform | undefined;
  /**
   * Number of layers that are fetched and unpacked concurrently.
   *
   * @default half the number of cores, since each layer has two threads; up to the number of cores while the network is
   *   slower than unpacking; fewer when memory is short
   */
  readonly concurrency?: number | undefined;
  /** Keep the blobs of layers in the content store. Export needs them. @default true */
  readonly keepBlobs?: boolean | undefined;
  /**
   * The thread that unpacks an image whose layers have at most 1 MiB together, as in `unpackLayer`.
   * @default 'worker'
   */
  readonly thread?: UnpackLayerOptions['thread'];
  /** Limits of each layer. @default DEFAULT_LIMITS */
  readonly limits?: Partial<Limits> | undefined;
  /** Labels of the image. @default none */
  readonly labels?: Labels | undefined;
}

export const GET_IMAGE_OPTIONS = {
  ...ADMIT_OPTIONS,
  platform: 'object',
  concurrency: 'number',
  keepBlobs: 'boolean',
  thread: 'string',
  limits: 'object',
  labels: 'object',
} satisfies OptionNames<GetImageOptions>;

/**
 * Copies an image of a source into the store: first its documents, then its layers as a chain of snapshots, in one pass.
 * The image is recorded when all of it is verified and on disk.
 *
 * A failed pull deletes all that it made. After an abort, or when the source is unavailable, committed layers and partial
 * blobs stay until the next collection (`Images.prune`), and the next pull resumes with them.
 */
export async function pullImage(
  parts: StoreParts,
  source: ImageSource,
  { name, target }: AdmittedImage,
  options: GetImageOptions,
  tell: Tell<PullEvent>,
): Promise<ImageRecord> {
  const { platform = hostPlatform(), keepBlobs = true, thread = 'worker' } = options;
  checkChoice('thread', thread, ['worker', 'caller']);
  const concurrency = boundedBy(
    source.connections,
    options.concurrency === undefined ? defaultConcurrency() : fixedConcurrency(options.concurrency),
  );
  const { signal = new AbortController().signal, limits, labels } = options;
  const lease = await PullLease.take(parts);
  const base: PullContext = { parts, source, lease, keepBlobs, limits, signal, thread };
  // Blobs that are not kept may belong to snapshots that exist, which the config tells.
  const isAhead = keepBlobs && options.concurrency === undefined;
  const ahead = isAhead
    ? new LayersAhead(
        (layer, during) => fetchIntoIngest({ ...base, signal: during }, layer),
        concurrency.most,
        signal,
      )
    : undefined;
  const context: PullContext = { ...base, ahead };
  const documents = new StoredDocuments(context);
  try {
    const chosen = await chooseManifest(name, target, platform, documents);
    const layers = planLayers(chosen);
    const { descriptor: manifest, config } = chosen;
    tell({ type: 'plan', name, manifest, platform: config.platform, layers });
    await lease.hold(
      ...layers.map(({ descriptor }) => ({ type: 'content', id: descriptor.digest }) as const),
      ...layers.map(({ chainID }) => ({ type: 'snapshot', id: chainID }) as const),
    );
    const byCaller = isForCaller(
      thread,
      layers.map(({ descriptor }) => descriptor),
    );
    await unpackLayers({ ...context, thread: byCaller ? 'caller' : 'worker' }, { layers, concurrency, tell });
    await documents.kept();
    await refer(parts, chosen, layers);
    const record = await parts.metadata.write((transaction) =>
      putImage(transaction, {
        name,
        target,
        labels: { ...labels, [PLATFORM_LABEL]: platformLabel(config.platform) },
      }),
    );
    await lease.release();
    return record;
  } catch (error) {
    await ahead?.end();
    await documents.kept().catch(() => {});
    // The error of the pull is the cause; one of the cleanup is not reported.
    await (isWorthKeeping(error, signal) ? lease.release() : lease.undo()).catch(() => {});
    throw error;
  }
}

/** The text that `parsePlatform` reads. */
function platformLabel({ os, architecture, variant }: Platform): string {
  return formatPlatform({ os, architecture, variant });
}

/** Makes the config refer to the snapshots. */
async function refer(
  { content, snapshots }: StoreParts,
  { manifest: { config } }: ChosenManifest,
  layers: readonly PlannedLayer[],
): Promise<void> {
  const labels = configLabels(snapshots.backend.name, layers.at(-1)?.chainID);
  const paths = Object.keys(labels).map((label) => `labels.${label}`);
  if (paths.length > 0) await content.update(config.digest, { labels }, { fieldpaths: paths });
}

/** Whether the data that was fetched is good. */
function isWorthKeeping(error: unknown, signal: AbortSignal): boolean {
  return signal.aborted || (OverlayerError.is(error) && error.code === 'Unavailable');
}

/**
 * Reads the documents of an image that is pulled from the content store or the source, and keeps them in the store with
 * labels that refer to their children.
 */
class StoredDocuments implements Documents {
  readonly #context: PullContext;
  readonly #keeping = new Map<Digest, Promise<void>>();

  constructor(context: PullContext) {
    this.#context = context;
  }

  index(descriptor: Descriptor): Promise<ImageIndex> {
    return this.#read(descriptor, (bytes) => parseIndex(bytes, descriptor.mediaType), indexLabels);
  }

  manifest(descriptor: Descriptor): Promise<ImageManifest> {
    return this.#read(
      descriptor,
      (bytes) => parseManifest(bytes, descriptor.mediaType),
      (manifest) => manifestLabels(manifest, this.#context.keepBlobs),
    );
  }

  expect({ layers }: ImageManifest): void {
    this.#context.ahead?.begin(this.#context.source, layers);
  }

  config(descriptor: Descriptor): Promise<ImageConfig> {
    return this.#read(descriptor, parseImageConfig, () => ({}));
  }

  /**
   * Waits until the documents are on disk. The pull goes on with their content meanwhile, which saves 30 ms for two
   * documents. Call it before the lease ends.
   *
   * @throws the error of a document that could not be stored
   */
  async kept(): Promise<void> {
    await Promise.allSettled(this.#keeping.values());
    await Promise.all(this.#keeping.values());
  }

  async #read<T>(
    descriptor: Descriptor,
    parse: (bytes: Uint8Array) => T,
    labelsOf: (parsed: T) => Labels,
  ): Promise<T> {
    const { parts, source, lease, signal } = this.#context;
    await lease.hold({ type: 'content', id: descriptor.digest });
    await this.#keeping.get(descriptor.digest);
    const stored = await this.#stored(descriptor);
    const bytes = stored ?? (await readDocument(source, descriptor, { signal }));
    const parsed = parse(bytes);
    const labels = labelsOf(parsed);
    if (stored === undefined) this.#keepLater(descriptor, bytes, labels);
    else if (Object.keys(labels).length > 0)
      await parts.content.update(
        descriptor.digest,
        { labels },
        { fieldpaths: Object.keys(labels).map((name) => `labels.${name}`) },
      );
    return parsed;
  }

  /** @returns undefined when the store does not have it, or its bytes are damaged */
  async #stored({ digest }: Descriptor): Promise<Uint8Array | undefined> {
    const chunks: Uint8Array[] = [];
    try {
      for await (const chunk of this.#context.parts.content.read(digest)) chunks.push(chunk);
    } catch (error) {
      if (OverlayerError.is(error) && ['NotFound', 'DataLoss'].includes(error.code)) return undefined;
      throw error;
    }
    const bytes = Buffer.concat(chunks);
    return sha256(bytes) === digest ? bytes : undefined;
  }

  #keepLater(descriptor: Descriptor, bytes: Uint8Array, labels: Labels): void {
    const keeping = this.#keep(descriptor, bytes, labels);
    keeping.catch(() => {}); // `kept` reports the error
    this.#keeping.set(descriptor.digest, keeping);
  }

  async #keep(descriptor: Descriptor, bytes: Uint8Array, labels: Labels): Promise<void> {
    const { digest, size } = descriptor;
    await openBlobIngest(this.#context, `document-${digest}`, {}, async (ingest) => {
      if (ingest.offset > 0) await ingest.truncate();
      await ingest.write(bytes);
      this.#context.lease.noteMade({ type: 'content', id: digest });
      await ingest.commit({ digest, size, hashed: digest, labels });
    });
  }
}

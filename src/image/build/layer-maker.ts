import { stat } from 'node:fs/promises';
import { iterateSource } from '../../base/byte-source.js';
import { isCode, OverlayerError } from '../../base/errors.js';
import type { Limits } from '../../base/limits.js';
import type { Task } from '../../base/task.js';
import type { Ingest } from '../../content/content-store.js';
import { runDiff } from '../../layer/diff/create-diff.js';
import type { CreateDiffOptions, DiffResult } from '../../layer/diff/options.js';
import { type ErofsLayerInfo, findErofsLayer } from '../../layer/erofs/read-erofs-layer.js';
import { pathOf } from '../../layer/open-source.js';
import type { Compression, LayerProgress, LayerSource } from '../../layer/options.js';
import { planLayer } from '../../layer/plan-layer.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { DiffID } from '../../oci/digest.js';
import { LAYER_TYPES, layerCompression, type MediaTypeFamily } from '../../oci/media-types.js';
import { diffSnapshot } from '../../snapshot/diff-snapshot.js';
import { UNCOMPRESSED_LABEL } from '../../snapshot/labels.js';
import { toOverlayerError } from '../../system/errno-code.js';
import type { PullLease } from '../pull/pull-context.js';
import { bytesOf } from '../source/blob-bytes.js';
import { putBlob } from '../store/put-blob.js';
import type { StoreParts } from '../store/store-parts.js';
import type { NewLayer } from './options.js';

/** A layer of an image that is in the content store. */
export interface MadeLayer {
  readonly descriptor: Descriptor;
  readonly diffID: DiffID;
}

/** Yields the bytes of a layer, and returns what they are. */
export type LayerBytes = AsyncGenerator<Uint8Array, DiffResult>;

/** Times that a layer is begun while other processes change its files. */
const MOST_ATTEMPTS = 3;

interface LayerOptions extends CreateDiffOptions {
  /** Limits of archives. */
  readonly limits: Partial<Limits> | undefined;
}

/** Makes layers as blobs of the content store. Each is read, hashed, compressed and stored in one pass. */
export class LayerMaker {
  readonly #parts: StoreParts;
  readonly #lease: PullLease;
  readonly #family: MediaTypeFamily;
  readonly #options: CreateDiffOptions;
  readonly #limits: Partial<Limits> | undefined;

  constructor(
    parts: StoreParts,
    lease: PullLease,
    family: MediaTypeFamily,
    { limits, ...options }: LayerOptions,
  ) {
    this.#parts = parts;
    this.#lease = lease;
    this.#family = family;
    this.#options = options;
    this.#limits = limits;
  }

  /** @throws OverlayerError as `createDiff`, `diffSnapshot` and `planLayer` */
  async make(layer: NewLayer, onProgress: (progress: LayerProgress) => void): Promise<MadeLayer> {
    if ('trees' in layer) return await this.diff((options) => runDiff(layer.trees, options), onProgress);
    if ('archive' in layer) return await this.#archive(layer.archive, onProgress);
    const { snapshots } = this.#parts;
    return await this.diff((options) => drain(diffSnapshot(snapshots, layer.snapshot, options)), onProgress);
  }

  /**
   * @param open begins the diff. It is called again when another process changed a file while it was read: the file in the
   *   layer would have the bytes of no moment
   */
  async diff(
    open: (options: CreateDiffOptions) => LayerBytes,
    onProgress: (progress: LayerProgress) => void,
  ): Promise<MadeLayer> {
    const options = { ...this.#options, onProgress };
    this.#checkFits(options.compression);
    return await this.#ingest(async (ingest) => {
      for (let attempt = 1; ; attempt++)
        try {
          const { descriptor, diffID } = await write(open(options), ingest);
          return { descriptor, diffID };
        } catch (error) {
          if (attempt === MOST_ATTEMPTS || !isChangedMeanwhile(error)) throw error;
          await ingest.truncate();
        }
    });
  }

  async #archive(source: LayerSource, onProgress: (progress: LayerProgress) => void): Promise<MadeLayer> {
    const layerFile = await findLayerFile(source);
    if (layerFile !== undefined) return await this.diff((options) => runDiff(layerFile, options), onProgress);
    const { signal } = this.#options;
    return await this.#ingest(async (ingest) => {
      const layer = await planLayer(tee(source, ingest), { limits: this.#limits, signal, onProgress });
      const { digest, diffID, compression, compressedSize: size } = layer;
      const mediaType = LAYER_TYPES.oci[compression];
      return { descriptor: { mediaType, digest: digest!, size }, diffID: diffID! };
    });
  }

  async #ingest(fill: (ingest: Ingest) => Promise<MadeLayer>): Promise<MadeLayer> {
    const { signal } = this.#options;
    return await putBlob(this.#parts, this.#lease, async (ingest) => {
      const { descriptor, diffID } = await fill(ingest);
      const compression = layerCompression(descriptor.mediaType) as Compression;
      this.#checkFits(compression);
      const made = { ...descriptor, mediaType: LAYER_TYPES[this.#family][compression] };
      return {
        result: { descriptor: made, diffID },
        blob: { digest: made.digest, size: made.size, labels: { [UNCOMPRESSED_LABEL]: diffID }, signal },
      };
    });
  }

  /** @throws OverlayerError `InvalidArgument` */
  #checkFits(compression: Compression | undefined): void {
    if (this.#family !== 'docker' || compression !== 'zstd') return;
    throw new OverlayerError(
      'InvalidArgument',
      'A layer is zstd, but the base image has the media types of Docker',
      {
        hint: "docker's media types have no zstd: choose gzip, or convert the base first: overlayer convert IMAGE -t NEW --oci",
      },
    );
  }
}

/** A task as a generator. */
export async function* drain(task: Task<DiffResult, Uint8Array>): LayerBytes {
  yield* task;
  return await task;
}

/** The write to the disk runs while the next chunk is made. */
async function write(bytes: LayerBytes, ingest: Ingest): Promise<DiffResult> {
  let written = Promise.resolve();
  try {
    for (;;) {
      const { done, value } = await bytes.next();
      await written;
      if (done) return value;
      written = ingest.write(value);
      written.catch(() => {});
    }
  } finally {
    await bytes.return(undefined as never);
    await written.catch(() => {});
  }
}

async function* tee(source: LayerSource, ingest: Ingest): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of iterateSource(bytesOf(source))) {
    const written = ingest.write(chunk);
    written.catch(() => {});
    yield chunk;
    await written;
  }
}

function isChangedMeanwhile(error: unknown): boolean {
  return isCode(error, 'FailedPrecondition', 'NotFound') && (error as OverlayerError).entry !== undefined;
}

/** @throws OverlayerError `NotFound`, `PermissionDenied`; `InvalidArgument`: a directory */
async function findLayerFile(source: LayerSource): Promise<ErofsLayerInfo | undefined> {
  const path = source instanceof URL ? pathOf(source) : source;
  if (typeof path !== 'string') return undefined;
  const stats = await stat(path).catch((error: unknown) => {
    throw toOverlayerError(error, `Cannot read layer "${path}"`);
  });
  if (stats.isDirectory())
    throw new OverlayerError('InvalidArgument', `Layer "${path}" is a directory`, {
      hint: 'a directory is a layer as { trees: { upper: … } }',
    });
  return stats.isFile() ? findErofsLayer(path) : undefined;
}

import { stat } from 'node:fs/promises';
import { iterateSource } from '../../base/byte-source.js';
import { describe } from '../../base/check-arguments.js';
import { isCode, OverlayerError } from '../../base/errors.js';
import { HeldResources } from '../../base/held-resources.js';
import type { Limits } from '../../base/limits.js';
import { withContext } from '../../base/with-context.js';
import type { Ingest } from '../../content/content-store.js';
import { DiffedLayer } from '../../layer/diff/diffed-layer.js';
import type { CreateDiffOptions } from '../../layer/diff/options.js';
import { type ErofsLayerInfo, findErofsLayer } from '../../layer/erofs/read-erofs-layer.js';
import { pathOf } from '../../layer/open-source.js';
import type { Compression, LayerProgress, LayerSource } from '../../layer/options.js';
import type { DiffedTrees } from '../../layer/worker/jobs.js';
import { type ChainID, chainID } from '../../oci/chain-ids.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { DiffID } from '../../oci/digest.js';
import { LAYER_TYPES, type MediaTypeFamily } from '../../oci/media-types.js';
import { treesOfSnapshot } from '../../snapshot/diff-snapshot.js';
import { makeSnapshot } from '../../snapshot/fill/fill-snapshot.js';
import { UNCOMPRESSED_LABEL } from '../../snapshot/labels.js';
import { toOverlayerError } from '../../system/errno-code.js';
import type { PullLease } from '../pull/pull-context.js';
import { bytesOf } from '../source/blob-bytes.js';
import { LAYER_BLOB_LABEL } from '../store/image-labels.js';
import { putBlob } from '../store/put-blob.js';
import type { StoreParts } from '../store/store-parts.js';
import type { NewLayer } from './options.js';

/** A layer of an image that is in the content store. */
export interface MadeLayer {
  readonly descriptor: Descriptor;
  readonly diffID: DiffID;
}

/** Times that a layer is begun while other processes change its files. */
const MOST_ATTEMPTS = 3;

interface LayerOptions extends CreateDiffOptions {
  /** Limits of archives. */
  readonly limits: Partial<Limits> | undefined;
}

/** Shows the trees of a layer, until the resources that it holds are freed. */
export type ShowTrees = (held: HeldResources, options: CreateDiffOptions) => Promise<DiffedTrees>;

/** A new layer, and where it goes. */
export interface LayerPlace {
  /** ChainID of the layer below, whose snapshot is there. */
  readonly parent: ChainID | undefined;
  readonly onProgress: (progress: LayerProgress) => void;
}

/**
 * Makes layers, in one pass: while a layer is read, it is hashed, compressed into a blob of the content store, and unpacked
 * into the snapshot of its chainID.
 */
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
  async make(layer: NewLayer, place: LayerPlace): Promise<MadeLayer> {
    checkLayer(layer);
    if ('trees' in layer) return await this.diff(async () => layer.trees, place);
    if ('archive' in layer) return await this.#archive(layer.archive, place);
    const { snapshots } = this.#parts;
    return await this.diff(
      (held, options) => treesOfSnapshot(snapshots, layer.snapshot, options, held),
      place,
    );
  }

  /**
   * @param show is called again when another process changed a file while it was read: the file in the layer would have the
   *   bytes of no moment
   */
  async diff(show: ShowTrees, place: LayerPlace): Promise<MadeLayer> {
    const options = this.#options;
    this.#checkFits(options.compression);
    return await this.#ingest(async (ingest) => {
      for (let attempt = 1; ; attempt++)
        try {
          await using held = new HeldResources();
          const trees = await show(held, options);
          const layer = new DiffedLayer(trees, options, (bytes) => ingest.write(bytes));
          return await this.#unpack(layer, place);
        } catch (error) {
          if (attempt === MOST_ATTEMPTS || !isChangedMeanwhile(error)) throw error;
          await ingest.truncate();
        }
    });
  }

  async #archive(source: LayerSource, place: LayerPlace): Promise<MadeLayer> {
    const layerFile = await findLayerFile(source);
    if (layerFile !== undefined) return await this.diff(async () => layerFile, place);
    try {
      return await this.#ingest((ingest) => this.#unpack(tee(source, ingest), place));
    } catch (error) {
      throw isCode(error, 'Cancelled') ? error : withContext(error, { prefix: nameOf(source) });
    }
  }

  /** Unpacks a layer into its snapshot, while the bytes go to the ingest. */
  async #unpack(source: LayerSource | DiffedLayer, { parent, onProgress }: LayerPlace): Promise<MadeLayer> {
    const { signal } = this.#options;
    const how = { limits: this.#limits, signal, onProgress };
    return await makeSnapshot(this.#parts.snapshots, {
      ...{ parent, signal },
      fill: async (unpack) => {
        const { digest, diffID, compression, compressedSize: size } = await unpack(source, how);
        this.#checkFits(compression);
        const name = chainID(parent, diffID!);
        await this.#lease.holdNew({ type: 'snapshot', id: name });
        return {
          descriptor: { mediaType: LAYER_TYPES[this.#family][compression], digest: digest!, size },
          diffID: diffID!,
          name,
          labels: { [LAYER_BLOB_LABEL]: digest! },
        };
      },
    });
  }

  async #ingest(fill: (ingest: Ingest) => Promise<MadeLayer>): Promise<MadeLayer> {
    const { signal } = this.#options;
    return await putBlob(this.#parts, this.#lease, async (ingest) => {
      const { descriptor, diffID } = await fill(ingest);
      const { digest, size } = descriptor;
      return {
        result: { descriptor, diffID },
        blob: { digest, size, labels: { [UNCOMPRESSED_LABEL]: diffID }, signal },
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

/** An image can get several layers at once, so the error of one has to say which. */
function nameOf(source: LayerSource): string | undefined {
  return typeof source === 'string' || source instanceof URL ? `Layer "${source}"` : undefined;
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

/** @throws OverlayerError `InvalidArgument` */
function checkLayer(layer: unknown): void {
  const kinds = ['trees', 'archive', 'snapshot'];
  if (typeof layer === 'object' && layer !== null && kinds.some((kind) => kind in layer)) return;
  throw new OverlayerError('InvalidArgument', `A new layer is ${describe(layer)}`, {
    hint: 'give { archive }, { trees } or { snapshot }',
  });
}

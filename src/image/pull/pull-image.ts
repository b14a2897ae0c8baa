import type { OptionNames } from '../../base/check-arguments.js';
import { OverlayerError } from '../../base/errors.js';
import type { Limits } from '../../base/limits.js';
import type { Tell } from '../../base/task.js';
import type { Labels } from '../../metadata/labels.js';
import { formatPlatform, hostPlatform, type Platform } from '../../oci/platform.js';
import type { ImageSource } from '../source/image-source.js';
import { ADMIT_OPTIONS, type AdmitOptions, type AdmittedImage } from '../store/admit-image.js';
import { configLabels, PLATFORM_LABEL } from '../store/image-labels.js';
import { type ImageRecord, putImage } from '../store/image-records.js';
import type { StoreParts } from '../store/store-parts.js';
import type { ChosenManifest } from './choose-manifest.js';
import { chooseManifest } from './choose-manifest.js';
import { planLayers } from './plan-layers.js';
import type { PullContext } from './pull-context.js';
import { PullLease } from './pull-context.js';
import type { PlannedLayer, PullEvent } from './pull-event.js';
import { StoredDocuments } from './stored-documents.js';
import { defaultConcurrency, fixedConcurrency, unpackLayers } from './unpack-layers.js';

/** What every way to get an image into a store can be told. */
export interface GetImageOptions extends AdmitOptions {
  /** @default that of this host */
  readonly platform?: Platform | undefined;
  /**
   * Layers that are fetched and unpacked at once.
   *
   * @default half as many as there are cores, each has two threads; up to as many as there are cores while their bytes
   * come slower than they are unpacked; fewer where memory is short
   */
  readonly concurrency?: number | undefined;
  /** Keep the layers' blobs in the content store: they can be exported then, and pushed. @default true */
  readonly keepBlobs?: boolean | undefined;
  /** Of each layer. @default DEFAULT_LIMITS */
  readonly limits?: Partial<Limits> | undefined;
  /** Of the image. */
  readonly labels?: Labels | undefined;
}

export const GET_IMAGE_OPTIONS = {
  ...ADMIT_OPTIONS,
  platform: true,
  concurrency: true,
  keepBlobs: true,
  limits: true,
  labels: true,
} satisfies OptionNames<GetImageOptions>;

/**
 * Makes an image of the store out of one of a source: documents first, then the layers as a chain of snapshots,
 * in one pass. The image is there once all of it is verified and on disk.
 *
 * After a failure nothing stays that the pull has made, and what was whole before is whole. After an
 * interruption, or when the source can't be reached, layers that are committed and what there is of others stay
 * until the next collection (`Images.prune`): a pull before that goes on with them.
 */
export async function pullImage(
  parts: StoreParts,
  source: ImageSource,
  { name, target }: AdmittedImage,
  options: GetImageOptions,
  tell: Tell<PullEvent>,
): Promise<ImageRecord> {
  const { platform = hostPlatform(), keepBlobs = true } = options;
  const concurrency =
    options.concurrency === undefined ? defaultConcurrency() : fixedConcurrency(options.concurrency);
  const { signal = new AbortController().signal, limits, labels } = options;
  const lease = await PullLease.take(parts);
  const context: PullContext = { parts, source, lease, keepBlobs, limits, signal };
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
    await unpackLayers(context, { layers, concurrency, tell });
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
    await documents.kept().catch(() => {});
    // The error of the pull says more than one of its undoing.
    await (isWorthKeeping(error, signal) ? lease.release() : lease.undo()).catch(() => {});
    throw error;
  }
}

/** As `parsePlatform` reads it. */
function platformLabel({ os, architecture, variant }: Platform): string {
  return formatPlatform({ os, architecture, variant });
}

/** The config leads to the snapshots. */
async function refer(
  { content, snapshots }: StoreParts,
  { manifest: { config } }: ChosenManifest,
  layers: readonly PlannedLayer[],
): Promise<void> {
  const labels = configLabels(snapshots.backend.name, layers.at(-1)?.chainID);
  const paths = Object.keys(labels).map((label) => `labels.${label}`);
  if (paths.length > 0) await content.update(config.digest, { labels }, { fieldpaths: paths });
}

/** Nothing is wrong with what there is. */
function isWorthKeeping(error: unknown, signal: AbortSignal): boolean {
  return signal.aborted || (OverlayerError.is(error) && error.code === 'Unavailable');
}

import { isAnyArrayBuffer, isUint8Array } from 'node:util/types';
import type { AbortableOptions } from '../base/abort.js';
import { describe } from '../base/check-arguments.js';
import { OverlayerError } from '../base/errors.js';
import type { Limits } from '../base/limits.js';
import type { LayerState } from '../image/pull/pull-event.js';
import { readLayer } from '../image/pull/read-layer.js';
import { type ImageContents, onlyImage, readContentsOf } from '../image/source/image-contents.js';
import type { ImageSource } from '../image/source/image-source.js';
import type { LayerProgress, LayerResult, LayerSource } from '../layer/options.js';
import type { DiffID, Digest } from '../oci/digest.js';
import type { HistoryEntry } from '../oci/image-config.js';
import { hostPlatform, type Platform } from '../oci/platform.js';

/** An image of a source that has one, or a single layer. */
export type ExploreSource = ImageSource | LayerSource;

/** Options of all that looks into an image. */
export interface ExploreOptions extends AbortableOptions {
  /** @default the platform of this host */
  readonly platform?: Platform | undefined;
  /** Limits that differ from the defaults. `maxMemory` holds for all layers together. @default DEFAULT_LIMITS */
  readonly limits?: Partial<Limits> | undefined;
}

/** The layers of an image, the lowest first, or one layer. */
export interface LayerStack {
  /** Name of the image in its source. */
  readonly name: string | undefined;
  /** Undefined for a single layer. */
  readonly contents: ImageContents | undefined;
  readonly layers: readonly StackLayer[];
}

export interface StackLayer {
  /** The diffID that the config states; undefined for a single layer. */
  readonly diffID: DiffID | undefined;
  /** Whether it can be read a second time. A stream can't. */
  readonly isReadableAgain: boolean;
  /** The step of the history that made it. */
  readonly command: string | undefined;
  /**
   * Opens the layer, and closes it after the work.
   *
   * @param work reads the bytes to their end, and verifies the digest
   */
  read(options: ReadStackLayerOptions, work: ReadBytes): Promise<LayerResult>;
}

interface ReadStackLayerOptions extends AbortableOptions {
  readonly onState?: ((state: LayerState) => void) | undefined;
}

type ReadBytes = (
  bytes: LayerSource,
  reading: {
    /** Digest of the bytes; undefined when it is not known. */
    readonly digest: Digest | undefined;
    readonly onProgress: ((progress: LayerProgress) => void) | undefined;
  },
) => Promise<LayerResult>;

/**
 * Reads the documents of an image. Reads no layer.
 *
 * @throws OverlayerError `NotFound`, `InvalidArgument`: as `unpackImage`
 */
export async function openStack(
  source: ExploreSource,
  { platform = hostPlatform(), signal }: ExploreOptions,
): Promise<LayerStack> {
  if (!isImageSource(source))
    return {
      name: undefined,
      contents: undefined,
      layers: [
        {
          diffID: undefined,
          command: undefined,
          isReadableAgain: isKept(source),
          read: (_, work) => work(source, { digest: undefined, onProgress: undefined }),
        },
      ],
    };
  const image = onlyImage(await source.images({ signal }), source.description);
  const contents = await readContentsOf(source, image, platform, { signal });
  const { layers, config } = contents;
  const files = await source.tars?.(config.diffIDs);
  const commands = commandsOf(config.history ?? []);
  return {
    name: image.name,
    contents,
    layers: layers.map(({ descriptor, diffID }, index) => ({
      diffID,
      command: commands[index],
      isReadableAgain: true,
      async read({ signal: stop, onState = () => {} }, work) {
        const file = files?.[index];
        // The digest of a plain tar is its diffID.
        if (file !== undefined) return await work(file.tar, { digest: file.diffID, onProgress: undefined });
        return await readLayer(source, descriptor, { signal: stop, onState }, (bytes, onProgress) =>
          work(bytes, { digest: descriptor.digest, onProgress }),
        );
      },
    })),
  };
}

function isImageSource(source: ExploreSource): source is ImageSource {
  if (typeof source !== 'string' && (typeof source !== 'object' || source === null))
    throw new OverlayerError(
      'InvalidArgument',
      `Neither an image source nor a layer: source is ${describe(source)}`,
    );
  return typeof (source as Partial<ImageSource>).images === 'function';
}

/** Whether the bytes of a layer are still there when they were read. */
function isKept(layer: LayerSource): boolean {
  if (typeof layer === 'string' || layer instanceof URL || 'offset' in layer) return true;
  return isUint8Array(layer) || isAnyArrayBuffer(layer) || layer instanceof Blob;
}

/** The commands of the steps that made layers. */
function commandsOf(history: readonly HistoryEntry[]): readonly (string | undefined)[] {
  return history.filter(({ emptyLayer }) => emptyLayer !== true).map(({ createdBy }) => createdBy);
}

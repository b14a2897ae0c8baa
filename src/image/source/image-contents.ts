import type { AbortableOptions } from '../../base/abort.js';
import { OverlayerError } from '../../base/errors.js';
import type { ContentStore } from '../../content/content-store.js';
import { chainIDs } from '../../oci/chain-ids.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { ImageConfig } from '../../oci/image-config.js';
import type { ImageManifest } from '../../oci/manifest.js';
import { layerCompression } from '../../oci/media-types.js';
import { hostPlatform, type Platform } from '../../oci/platform.js';
import { type ChosenManifest, chooseManifest, documentsOf } from '../pull/choose-manifest.js';
import type { PlannedLayer } from '../pull/pull-event.js';
import type { ImageRecord } from '../store/image-records.js';
import { checkDigest, readDocument, sha256 } from './blob-bytes.js';
import type { ImageSource, SourceImage } from './image-source.js';
import { listNames } from './local-image-source.js';

/** The documents and layers of an image for one platform. */
export interface ImageContents {
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
  /** The lowest first. */
  readonly layers: readonly PlannedLayer[];
}

/** @throws OverlayerError `NotFound`, `DataLoss` */
export async function readContents(
  content: ContentStore,
  { name, target }: Pick<ImageRecord, 'name' | 'target'>,
  platform: Platform,
): Promise<ImageContents> {
  const documents = documentsOf(async (descriptor) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of content.read(descriptor.digest)) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    checkDigest(descriptor, sha256(bytes));
    return bytes;
  });
  const chosen = await chooseManifest(name, target, platform, documents);
  return { ...chosen, layers: planLayers(chosen) };
}

/** See `inspectImages`. */
export async function readSourceImages(
  source: ImageSource,
  platform: Platform = hostPlatform(),
  { signal }: AbortableOptions = {},
): Promise<readonly (SourceImage & ImageContents)[]> {
  const images: (SourceImage & ImageContents)[] = [];
  for (const image of await source.images({ signal }))
    images.push({ ...image, ...(await readContentsOf(source, image, platform, { signal })) });
  return images;
}

/** Reads the documents of one of a source's images. @throws OverlayerError as `chooseManifest`, and as the source */
export async function readContentsOf(
  source: ImageSource,
  { name, target }: SourceImage,
  platform: Platform,
  { signal }: AbortableOptions,
): Promise<ImageContents> {
  const documents = documentsOf((descriptor) => readDocument(source, descriptor, { signal }));
  const chosen = await chooseManifest(name ?? target.digest, target, platform, documents);
  return { ...chosen, layers: planLayers(chosen) };
}

/** The image of a source that has one. @throws OverlayerError `NotFound`, `InvalidArgument` */
export function onlyImage(images: readonly SourceImage[], description: string): SourceImage {
  const [image] = images;
  if (image === undefined) throw new OverlayerError('NotFound', `There is no image in "${description}"`);
  // Several names of one image need no choice.
  if (images.every(({ target }) => target.digest === image.target.digest)) return image;
  throw new OverlayerError('InvalidArgument', `There are ${images.length} images in "${description}"`, {
    hint: `choose one by its name or digest: ${listNames(images)}`,
  });
}

/** The kernel's OVL_MAX_STACK: an image with more layers can't be mounted. */
const MAX_LAYERS = 500;

/**
 * Pairs the layers of a manifest with the diffIDs of its config, the lowest layer first.
 *
 * @throws OverlayerError
 *   - `InvalidArgument`: the manifest and the config have different numbers of layers
 *   - `ResourceExhausted`: more layers than overlayfs supports
 *   - `Unimplemented`: a layer has an unknown media type
 */
export function planLayers({ manifest, config }: ChosenManifest): readonly PlannedLayer[] {
  const { layers } = manifest;
  const { diffIDs } = config;
  if (layers.length !== diffIDs.length)
    throw new OverlayerError(
      'InvalidArgument',
      `Cannot read the image: its manifest has ${layers.length} layers, its config ${diffIDs.length}`,
    );
  if (layers.length > MAX_LAYERS)
    throw new OverlayerError(
      'ResourceExhausted',
      `Cannot read the image: it has ${layers.length} layers, of ${MAX_LAYERS} at most`,
    );
  const chain = chainIDs(diffIDs);
  return layers.map((descriptor, index) => {
    layerCompression(descriptor.mediaType);
    return { descriptor, diffID: diffIDs[index]!, chainID: chain[index]! };
  });
}

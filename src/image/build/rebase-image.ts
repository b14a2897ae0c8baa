import { isDeepStrictEqual } from 'node:util';
import { OverlayerError } from '../../base/errors.js';
import { DETECT_BYTES, detectFormat } from '../../compression/detect.js';
import type { ContentStore } from '../../content/content-store.js';
import type { Descriptor } from '../../oci/descriptor.js';
import { isEmptyLayer, type RawHistoryEntry, rawHistory } from '../../oci/edit-config.js';
import {
  familyOf,
  isNonDistributable,
  LAYER_TYPES,
  layerCompression,
  type MediaTypeFamily,
} from '../../oci/media-types.js';
import type { ImageContents } from '../source/image-contents.js';
import type { ImageRecord } from '../store/image-records.js';
import type { Images } from '../store/store.js';
import type { StoreParts } from '../store/store-parts.js';
import { type BuildCall, buildImage } from './build-image.js';
import type { MadeLayer } from './layer-maker.js';
import type { RebaseImageOptions } from './options.js';

/** See `Store.rebase`. */
export async function rebaseImage(
  parts: StoreParts,
  images: Images,
  image: string,
  { options: { oldBase, newBase, ...options }, ...call }: BuildCall<RebaseImageOptions>,
): Promise<ImageRecord> {
  const { platform } = options;
  const base = await (await images.get(image)).contents({ platform });
  const both = { platform: platform ?? base.config.platform };
  const before = await (await images.get(oldBase)).contents(both);
  const after = await (await images.get(newBase)).contents(both);
  checkFirstLayers(image, base, oldBase, before);
  const request = { ...call, options, base, uses: after, command: 'overlayer rebase' };
  return await buildImage(parts, request, async ({ entry }) => {
    const family = familyOf(base.descriptor.mediaType);
    const layers: MadeLayer[] = [];
    for (const { descriptor, diffID } of after.layers)
      layers.push({ descriptor: await inFamily(parts.content, family, descriptor), diffID });
    return {
      layers: [...layers, ...base.layers.slice(before.layers.length)],
      history: [...historyOf(after), ...historyAbove(historyOf(base), before)],
      appended: [entry(true)],
    };
  });
}

function historyOf({ config }: ImageContents): readonly RawHistoryEntry[] {
  return rawHistory(config.text!);
}

/** @throws OverlayerError `FailedPrecondition` */
function checkFirstLayers(
  image: string,
  { config: { diffIDs } }: ImageContents,
  oldBase: string,
  { config: { diffIDs: wanted } }: ImageContents,
): void {
  const at = wanted.findIndex((diffID, index) => diffID !== diffIDs[index]);
  if (at < 0) return;
  throw new OverlayerError(
    'FailedPrecondition',
    `Image "${image}" was not made of "${oldBase}": layer ${at + 1} differs`,
    {
      hint: 'overlayer images tree shows the layers; --old is the image, in the version that it was made of',
      expected: wanted[at],
      actual: diffIDs[at] ?? 'none',
    },
  );
}

/** The steps of an image above its old base. */
function historyAbove(
  history: readonly RawHistoryEntry[],
  before: ImageContents,
): readonly RawHistoryEntry[] {
  const below = historyOf(before);
  const isBelow = (entry: RawHistoryEntry, index: number) =>
    isDeepStrictEqual(JSON.parse(history[index] ?? 'null'), JSON.parse(entry));
  if (below.every(isBelow)) return history.slice(below.length);
  // Tools rewrite histories: the layers are counted.
  let layers = 0;
  const first = history.findIndex((entry) => !isEmptyLayer(entry) && ++layers > before.layers.length);
  return first < 0 ? [] : history.slice(first);
}

/** The layer with a media type that fits the manifest. */
async function inFamily(
  content: ContentStore,
  family: MediaTypeFamily,
  descriptor: Descriptor,
): Promise<Descriptor> {
  const { mediaType, digest } = descriptor;
  if (Object.values<string>(LAYER_TYPES[family]).includes(mediaType) || isNonDistributable(mediaType))
    return descriptor;
  const declared = layerCompression(mediaType);
  return {
    ...descriptor,
    mediaType: LAYER_TYPES[family][declared === 'unknown' ? await detected(content, digest) : declared],
  };
}

/** Docker's type of a plain layer is often used for a compressed one. */
async function detected(content: ContentStore, digest: Descriptor['digest']) {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content.read(digest, { length: DETECT_BYTES })) chunks.push(chunk);
  return detectFormat(Buffer.concat(chunks));
}

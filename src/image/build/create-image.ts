import type { ImageRecord } from '../store/image-records.js';
import type { Image } from '../store/store.js';
import type { StoreParts } from '../store/store-parts.js';
import { type BuildCall, buildImage } from './build-image.js';
import type { MadeLayer } from './layer-maker.js';
import type { CreateImageOptions } from './options.js';

/** See `Store.createImage`. @param base the image of `options.base` */
export async function createImage(
  parts: StoreParts,
  base: Image | undefined,
  call: BuildCall<CreateImageOptions>,
): Promise<ImageRecord> {
  const { platform, layers = [] } = call.options;
  const contents = await base?.contents({ platform });
  const request = { ...call, base: contents, command: 'overlayer createImage' };
  return await buildImage(parts, request, async ({ make, entry }) => {
    const all: MadeLayer[] = [...(contents?.layers ?? [])];
    // In sequence: each of them uses all cores.
    for (const layer of layers) all.push(await make(all, layer));
    return { layers: all, appended: layers.length === 0 ? [entry(true)] : layers.map(() => entry()) };
  });
}

import type { Tell } from '../../base/task.js';
import type { ImageRecord } from '../store/image-records.js';
import type { Image } from '../store/store.js';
import type { StoreParts } from '../store/store-parts.js';
import { buildImage } from './build-image.js';
import type { MadeLayer } from './layer-maker.js';
import type { BuildEvent, CreateImageOptions } from './options.js';

/** See `Store.createImage`. @param base the image of `options.base` */
export async function createImage(
  parts: StoreParts,
  base: Image | undefined,
  options: CreateImageOptions,
  tell: Tell<BuildEvent>,
): Promise<ImageRecord> {
  const { name, platform, layers = [] } = options;
  const contents = await base?.contents({ platform });
  const request = { name, base: contents, command: 'overlayer createImage', options, tell };
  return await buildImage(parts, request, async ({ make, entry }) => {
    const all: MadeLayer[] = [...(contents?.layers ?? [])];
    // In sequence: each of them uses all cores.
    for (const layer of layers) all.push(await make(all, layer));
    return { layers: all, appended: layers.length === 0 ? [entry(true)] : layers.map(() => entry()) };
  });
}

import type { ContentStore } from '../content/content-store.js';
import type { Descriptor } from '../oci/descriptor.js';
import type { ImageConfig } from '../oci/image-config.js';
import type { ImageManifest } from '../oci/manifest.js';
import type { Platform } from '../oci/platform.js';
import { checkDigest, sha256 } from './blob-bytes.js';
import type { ImageRecord } from './image-records.js';
import { chooseManifest } from './pull/choose-manifest.js';
import { documentsOf } from './pull/documents.js';
import { planLayers } from './pull/plan-layers.js';
import type { PlannedLayer } from './pull/pull-event.js';

/** What an image is made of, for one platform. */
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

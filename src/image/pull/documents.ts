import type { Descriptor } from '../../oci/descriptor.js';
import { type ImageConfig, parseImageConfig } from '../../oci/image-config.js';
import { type ImageIndex, type ImageManifest, parseIndex, parseManifest } from '../../oci/manifest.js';

/** Reads the documents of an image. */
export interface Documents {
  index(descriptor: Descriptor): Promise<ImageIndex>;
  manifest(descriptor: Descriptor): Promise<ImageManifest>;
  config(descriptor: Descriptor): Promise<ImageConfig>;
}

/** Documents out of their verified bytes. */
export function documentsOf(read: (descriptor: Descriptor) => Promise<Uint8Array>): Documents {
  return {
    index: async (descriptor) => parseIndex(await read(descriptor), descriptor.mediaType),
    manifest: async (descriptor) => parseManifest(await read(descriptor), descriptor.mediaType),
    config: async (descriptor) => parseImageConfig(await read(descriptor)),
  };
}

export interface ChosenManifest {
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
}

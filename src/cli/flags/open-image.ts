import { statSync } from 'node:fs';
import {
  type ImageSource,
  type OpenRegistryOptions,
  openImageArchive,
  openImageLayout,
  openRegistry,
} from '../../index.js';
import { type RegistryFlags, registryOptions } from './get-flags.js';
import { type Argument, REGISTRY } from './read-argument.js';

export interface OpenImageFlags extends RegistryFlags {
  readonly image?: string;
}

export interface OpenImageOptions extends OpenImageFlags, Pick<OpenRegistryOptions, 'onNotice'> {
  /** Where large blobs are kept meanwhile, of what can't be read in its place. */
  readonly scratch: string;
}

/** A whole image: of a registry, a layout, an archive, or standard input. */
export async function openImage({ source }: Argument, options: OpenImageOptions): Promise<ImageSource> {
  const { onNotice, scratch, image } = options;
  const names = image === undefined ? undefined : [image];
  if (typeof source !== 'string') return await openImageArchive(source, { names, scratch });
  if (source.startsWith(REGISTRY))
    return await openRegistry(source.slice(REGISTRY.length), {
      ...(await registryOptions(options)),
      onNotice,
    });
  return statSync(source).isDirectory()
    ? await openImageLayout(source, { names })
    : await openImageArchive(source, { names, scratch });
}

import { join } from 'node:path';
import type { InputName } from '../input-trees.js';
import { type InputSize, type Layer, loadLayer, unloadLayer } from '../inputs.js';
import { run } from '../run.js';
import { writeOciLayout } from './oci-layout.js';

/** Layers of the images, lowest first. Every second layer is about half of the work, because the pipelines share them so. */
const IMAGE_LAYERS = {
  image: ['rootfs', 'toolchain', 'node-modules', 'guard', 'small'],
  toolchains: ['rootfs', 'haskell', 'toolchain', 'rust', 'go'],
  'many files': ['rootfs', 'node-modules', 'many-files', 'guard'],
  'large files': ['rootfs', 'large-files', 'toolchain'],
  'one large layer': ['large-files'],
  'one small layer': ['tiny'],
} as const satisfies Readonly<Record<string, readonly InputName[]>>;

export type ImageName = keyof typeof IMAGE_LAYERS;

/** An image in memory, in the forms that the tools read. */
export interface ImageFiles {
  readonly size: InputSize;
  readonly layers: readonly Layer[];
  /** An OCI layout that holds it as `image`. */
  readonly layout: string;
  /** The layout as an archive. */
  readonly archive: string;
}

export function loadImage(name: ImageName, dir: string): ImageFiles {
  const layers = IMAGE_LAYERS[name].map((layer) => loadLayer(layer, dir, ['tar', 'gzip']));
  const layout = join(dir, `${name.replaceAll(' ', '-')}.layout`);
  const archive = join(dir, `${name.replaceAll(' ', '-')}.image.tar`);
  writeOciLayout(layout, layers);
  run(['tar', '-C', layout, '-cf', archive, '.']);
  const size = {
    name,
    definition: `${layers.length} layers: ${IMAGE_LAYERS[name].join(', ')}`,
    entries: sum(layers, ({ entries }) => entries),
    bytes: sum(layers, ({ bytes }) => bytes),
    gzipBytes: Number(run(['stat', '-c', '%s', archive])),
    zstdBytes: undefined,
  };
  return { size, layers, layout, archive };
}

export function unloadImage({ layout, archive, layers }: ImageFiles): void {
  run(['rm', '-r', layout, archive]);
  for (const layer of layers) unloadLayer(layer);
}

function sum(layers: readonly Layer[], count: (layer: Layer) => number): number {
  return layers.reduce((total, layer) => total + count(layer), 0);
}

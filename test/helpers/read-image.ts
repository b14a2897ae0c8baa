import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { expect } from 'vitest';
import type { ImageSource, SourceImage } from '../../src/image/source/image-source.js';
import { type LayerSource, planLayer } from '../../src/index.js';
import type { Descriptor } from '../../src/oci/descriptor.js';
import { type ImageConfig, parseImageConfig } from '../../src/oci/image-config.js';
import { type ImageManifest, parseManifest } from '../../src/oci/manifest.js';

export interface ReadImage {
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
  /** Names of the entries of each layer. */
  readonly paths: readonly (readonly string[])[];
}

/** Reads all of an image as somebody does who trusts no source: every blob has to be what its descriptor says. */
export async function readImage(source: ImageSource, { target }: SourceImage): Promise<ReadImage> {
  const manifest = parseManifest(await readBlob(source, target), target.mediaType);
  const config = parseImageConfig(await readBlob(source, manifest.config));
  expect(config.diffIDs).toHaveLength(manifest.layers.length);
  const paths: string[][] = [];
  for (const [index, layer] of manifest.layers.entries()) {
    const { bytes } = await source.open(layer);
    const diffID = config.diffIDs[index];
    const plan = planLayer(bytes, { digest: layer.digest, diffID });
    const names: string[] = [];
    for await (const { operation } of plan) names.push(operation.path);
    expect((await plan).compressedSize).toBe(layer.size);
    paths.push(names);
  }
  return { manifest, config, paths };
}

export async function readBlob(source: ImageSource, descriptor: Descriptor, offset = 0): Promise<Buffer> {
  const opened = await source.open(descriptor, { offset });
  const bytes = await readSource(opened.bytes);
  expect(bytes.length).toBe(descriptor.size - opened.offset);
  if (opened.offset === 0)
    expect(`sha256:${createHash('sha256').update(bytes).digest('hex')}`).toBe(descriptor.digest);
  return bytes;
}

async function readSource(source: LayerSource): Promise<Buffer> {
  if (source instanceof Uint8Array) return Buffer.from(source);
  if (typeof source === 'object' && 'path' in source && 'length' in source) {
    const { path, offset, length } = source;
    return await buffer(createReadStream(path, { start: offset, end: offset + length - 1 }));
  }
  return expect.fail('bytes of a file are given as a part of it');
}

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { outputFileSync } from 'fs-extra/esm';
import type { Descriptor } from '../../src/oci/descriptor.js';
import { MEDIA_TYPE } from '../../src/oci/media-types.js';
import { file, tar } from './tar-builder.js';

/** Contents by name. */
export type Files = Readonly<Record<string, string | Uint8Array>>;

export const LAYERS: readonly Buffer[] = [tar(file('one', '1')), tar(file('two', '2'.repeat(5000)))];

/** An OCI layout of one image, named `sample:1`. What `changes` has stands in the place of what belongs there. */
export function layoutFiles(
  changes: Files = {},
  layers: readonly Uint8Array[] = LAYERS,
  config: Uint8Array = configOf(layers),
): Files {
  const files: Record<string, string | Uint8Array> = {};
  const blob = (mediaType: string, bytes: Uint8Array): Descriptor => {
    const descriptor = describe(mediaType, bytes);
    files[blobFile(descriptor)] = bytes;
    return descriptor;
  };
  const manifest = blob(
    MEDIA_TYPE.manifest,
    json({
      schemaVersion: 2,
      config: blob(MEDIA_TYPE.config, config),
      layers: layers.map((layer) => blob(layerType(layer), layer)),
    }),
  );
  const annotations = { 'org.opencontainers.image.ref.name': 'sample:1' };
  return {
    'oci-layout': json({ imageLayoutVersion: '1.0.0' }),
    'index.json': json({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
    ...files,
    ...changes,
  };
}

/** As `docker save` wrote it from 1.10 to 24: folders named by what was an id once. */
export function dockerFiles(changes: Files = {}, layers: readonly Uint8Array[] = LAYERS): Files {
  const ids = layers.map((_, index) => String(index).repeat(64));
  const config = configOf(layers);
  const name = `${describe('a/b', config).digest.slice('sha256:'.length)}.json`;
  const files = ids.flatMap((id, index) => [
    [`${id}/VERSION`, '1.0'],
    [`${id}/json`, json({ id, parent: ids[index - 1] })],
    [`${id}/layer.tar`, layers[index]!],
  ]);
  return {
    ...Object.fromEntries(files),
    [name]: config,
    'manifest.json': json([
      { Config: name, RepoTags: ['sample:1'], Layers: ids.map((id) => `${id}/layer.tar`) },
    ]),
    repositories: json({ sample: { 1: ids.at(-1) } }),
    ...changes,
  };
}

export function archiveOf(files: Files): Buffer {
  return tar(...Object.entries(files).map(([name, content]) => file(name, content)));
}

/** The same files in another directory. */
export function prefixed(files: Files, prefix: string): Files {
  return Object.fromEntries(Object.entries(files).map(([name, content]) => [`${prefix}${name}`, content]));
}

export function writeFiles(directory: string, files: Files): string {
  for (const [name, content] of Object.entries(files)) outputFileSync(join(directory, name), content);
  return directory;
}

export function describe(mediaType: string, bytes: Uint8Array): Descriptor {
  return {
    mediaType,
    digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
    size: bytes.length,
  };
}

export function blobFile({ digest }: Descriptor): string {
  return `blobs/${digest.replace(':', '/')}`;
}

export function json(document: unknown): Buffer {
  return Buffer.from(JSON.stringify(document));
}

function layerType(layer: Uint8Array): string {
  return layer[0] === 0x1f ? MEDIA_TYPE.layerGzip : MEDIA_TYPE.layer;
}

export function configOf(layers: readonly Uint8Array[]): Buffer {
  const plain = layers.map((layer) => (layer[0] === 0x1f ? gunzipSync(layer) : layer));
  const diffIDs = plain.map((layer) => describe(MEDIA_TYPE.layer, layer).digest);
  return json({ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: diffIDs } });
}

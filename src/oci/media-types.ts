import { OverlayerError } from '../base/errors.js';

/** Media types of OCI (image spec, media-types.md) and of Docker's image manifest version 2, schema 2. */
export const MEDIA_TYPE = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  layerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  layerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerLayerZstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
} as const;

/** The two sets of media types. The documents and layers of one image are of the same set. */
export type MediaTypeFamily = 'oci' | 'docker';

/** Media types of layers, by their compression. */
export const LAYER_TYPES = {
  oci: { none: MEDIA_TYPE.layer, gzip: MEDIA_TYPE.layerGzip, zstd: MEDIA_TYPE.layerZstd },
  docker: {
    none: MEDIA_TYPE.dockerLayer,
    gzip: MEDIA_TYPE.dockerLayerGzip,
    zstd: MEDIA_TYPE.dockerLayerZstd,
  },
} as const;

/** @param mediaType of a manifest or an index */
export function familyOf(mediaType: string): MediaTypeFamily {
  return mediaType === MEDIA_TYPE.dockerManifest || mediaType === MEDIA_TYPE.dockerIndex ? 'docker' : 'oci';
}

/** Media types for the `Accept` header, best first. */
export const MANIFEST_MEDIA_TYPES: readonly string[] = [
  MEDIA_TYPE.index,
  MEDIA_TYPE.manifest,
  MEDIA_TYPE.dockerIndex,
  MEDIA_TYPE.dockerManifest,
];

/** The compression that a layer's media type declares. Docker's plain type is often used for gzip. */
type LayerCompression = 'none' | 'gzip' | 'zstd' | 'unknown';

/** Layers that must not be pushed to other registries. Docker calls them foreign. */
const NON_DISTRIBUTABLE: Readonly<Record<string, LayerCompression>> = {
  'application/vnd.oci.image.layer.nondistributable.v1.tar': 'none',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip': 'gzip',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd': 'zstd',
  'application/vnd.docker.image.rootfs.foreign.diff.tar': 'unknown',
  'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip': 'gzip',
};

const LAYERS: Readonly<Record<string, LayerCompression>> = {
  [MEDIA_TYPE.layer]: 'none',
  [MEDIA_TYPE.layerGzip]: 'gzip',
  [MEDIA_TYPE.layerZstd]: 'zstd',
  [MEDIA_TYPE.dockerLayer]: 'unknown',
  [MEDIA_TYPE.dockerLayerGzip]: 'gzip',
  [MEDIA_TYPE.dockerLayerZstd]: 'zstd',
  ...NON_DISTRIBUTABLE,
};

export function isIndex(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.index || mediaType === MEDIA_TYPE.dockerIndex;
}

export function isManifest(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.manifest || mediaType === MEDIA_TYPE.dockerManifest;
}

/**
 * Media types of an image's config. Registries of 2016 and 2017 wrote other types, which docker accepts
 * (distribution/distribution#1621).
 */
const CONFIGS: readonly string[] = [
  ...[MEDIA_TYPE.config, MEDIA_TYPE.dockerConfig],
  ...['application/octet-stream', 'application/json', 'text/html', ''],
];

export function isConfig(mediaType: string): boolean {
  return CONFIGS.includes(mediaType);
}

export function isLayer(mediaType: string): boolean {
  return Object.hasOwn(LAYERS, mediaType);
}

export function isNonDistributable(mediaType: string): boolean {
  return Object.hasOwn(NON_DISTRIBUTABLE, mediaType);
}

/** ocicrypt adds a suffix to the media type of the layer. */
export function isEncryptedLayer(mediaType: string): boolean {
  return mediaType.endsWith('+encrypted');
}

/** @throws OverlayerError `Unimplemented` for anything but a layer of OCI or Docker (an encrypted one, an artifact) */
export function layerCompression(mediaType: string): LayerCompression {
  if (isLayer(mediaType)) return LAYERS[mediaType]!;
  const encrypted = isEncryptedLayer(mediaType);
  throw new OverlayerError(
    'Unimplemented',
    encrypted ? `Layer is encrypted: ${mediaType}` : `Not the media type of a layer: ${mediaType}`,
    encrypted ? { hint: 'decrypt the image first (skopeo copy --decryption-key)' } : {},
  );
}

/** Docker's manifests from before 2016. They are signed, and have neither a config nor diffIDs. */
export function isSchema1(mediaType: string): boolean {
  return /^application\/vnd\.docker\.distribution\.manifest\.v1\+(json|prettyjws)$/.test(mediaType);
}

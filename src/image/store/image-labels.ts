import type { Labels } from '../../metadata/labels.js';
import type { ChainID } from '../../oci/chain-ids.js';
import type { ImageIndex, ImageManifest } from '../../oci/manifest.js';

// containerd's labels by which a blob refers to blobs and snapshots that it needs (docs/garbage-collection.md).

const CONTENT = 'containerd.io/gc.ref.content.';
const SNAPSHOT = 'containerd.io/gc.ref.snapshot.';
/** Protects a blob from collection. */
export const ROOT_LABEL = 'containerd.io/gc.root';

/**
 * Labels a committed snapshot: a pull made it from the blob with this digest, and a collection may delete it.
 */
export const LAYER_BLOB_LABEL = 'overlayer/layer-blob';
/** Labels an image with the platform of its last pull, and the snapshot by which it is mounted. */
export const PLATFORM_LABEL = 'overlayer/platform';
/** Labels an active snapshot or a view with the manifest of the image that is mounted by it: its descriptor as JSON. */
export const MOUNTED_MANIFEST_LABEL = 'overlayer/mounted-manifest';
/** Labels an active snapshot or a view with the directory on which the image is mounted. */
export const MOUNTED_ON_LABEL = 'overlayer/mounted-on';

export function indexLabels({ manifests }: ImageIndex): Labels {
  return Object.fromEntries(manifests.map(({ digest }, at) => [`${CONTENT}m.${at}`, digest]));
}

/** @param keepsLayers false: the blobs of layers may be collected after they are unpacked */
export function manifestLabels({ config, layers }: ImageManifest, keepsLayers: boolean): Labels {
  const kept = keepsLayers ? layers : [];
  return {
    [`${CONTENT}config`]: config.digest,
    ...Object.fromEntries(kept.map(({ digest }, at) => [`${CONTENT}l.${at}`, digest])),
  };
}

/** Labels of a config: it refers to the snapshot of the top layer. */
export function configLabels(backend: string, chainID: ChainID | undefined): Labels {
  return chainID === undefined ? {} : { [`${SNAPSHOT}${backend}`]: chainID };
}

interface References {
  readonly content: readonly string[];
  readonly snapshots: readonly string[];
}

/** Reads the references of a blob. containerd also allows the forms `….l.0` and `….l/name`. */
export function referencesOf(labels: Labels, backend: string): References {
  const named = (...prefixes: readonly string[]) =>
    Object.entries(labels)
      .filter(([name]) => prefixes.some((prefix) => name === prefix || name.startsWith(`${prefix}/`)))
      .map(([, value]) => value);
  return {
    content: Object.entries(labels)
      .filter(([name]) => name.startsWith(CONTENT))
      .map(([, value]) => value),
    snapshots: named(`${SNAPSHOT}${backend}`),
  };
}

import type { Labels } from '../../metadata/labels.js';
import type { ChainID } from '../../oci/chain-ids.js';
import type { ImageIndex, ImageManifest } from '../../oci/manifest.js';

// References from a blob to what it is nothing without, by containerd's labels (docs/garbage-collection.md).

const CONTENT = 'containerd.io/gc.ref.content.';
const SNAPSHOT = 'containerd.io/gc.ref.snapshot.';
/** Not to be collected, whatever refers to it. */
export const ROOT_LABEL = 'containerd.io/gc.root';

/**
 * Ours, on a committed snapshot: a pull made it, of the blob with this digest, and the garbage collection may
 * take it.
 */
export const LAYER_BLOB_LABEL = 'overlayer/layer-blob';
/** Ours, on an image: the platform that it was got for last. */
export const PLATFORM_LABEL = 'overlayer/platform';
/** Ours, on an active snapshot or a view: where the image is mounted. */
export const MOUNTED_ON_LABEL = 'overlayer/mounted-on';

export function indexLabels({ manifests }: ImageIndex): Labels {
  return Object.fromEntries(manifests.map(({ digest }, at) => [`${CONTENT}m.${at}`, digest]));
}

/** @param keepsLayers without, their blobs may be collected once they are unpacked */
export function manifestLabels({ config, layers }: ImageManifest, keepsLayers: boolean): Labels {
  const kept = keepsLayers ? layers : [];
  return {
    [`${CONTENT}config`]: config.digest,
    ...Object.fromEntries(kept.map(({ digest }, at) => [`${CONTENT}l.${at}`, digest])),
  };
}

/** For a config: the snapshot of the uppermost layer. */
export function configLabels(backend: string, chainID: ChainID | undefined): Labels {
  return chainID === undefined ? {} : { [`${SNAPSHOT}${backend}`]: chainID };
}

interface References {
  readonly content: readonly string[];
  readonly snapshots: readonly string[];
}

/** What the labels of a blob refer to, by the spelling that containerd allows too (`….l.0`, `….l/name`). */
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

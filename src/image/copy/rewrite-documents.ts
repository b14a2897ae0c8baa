import type { Compression } from '../../layer/options.js';
import { artifactOf } from '../../oci/artifact.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import { JsonText, withFields } from '../../oci/json-text.js';
import { type ImageManifest, parseManifest } from '../../oci/manifest.js';
import { isConfig, LAYER_TYPES, MEDIA_TYPE } from '../../oci/media-types.js';
import { sha256 } from '../source/blob-bytes.js';
import type { GraphDocument, ImageGraph } from './image-graph.js';

/** The blob that takes the place of a layer. */
export interface NewLayer extends Pick<Descriptor, 'digest' | 'size'> {
  readonly compression: Compression;
}

/** Changes of the documents of an image. */
export interface Changes {
  /** New blobs, by the digest of the layer that each replaces. */
  readonly layers: ReadonlyMap<Digest, NewLayer>;
  /** Entries of indexes to leave out. */
  readonly leftOut?: ReadonlySet<Digest> | undefined;
  /** Replace Docker's media types by those of OCI. A manifest with a zstd layer gets them in any case. @default false */
  readonly oci?: boolean | undefined;
}

/** A document as it is written. */
export interface WrittenDocument {
  /** Its descriptor in the source. */
  readonly from: Descriptor;
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly manifest: ImageManifest | undefined;
}

const OCI_LAYERS: Readonly<Record<string, string>> = {
  [MEDIA_TYPE.dockerLayer]: MEDIA_TYPE.layer,
  [MEDIA_TYPE.dockerLayerGzip]: MEDIA_TYPE.layerGzip,
  [MEDIA_TYPE.dockerLayerZstd]: MEDIA_TYPE.layerZstd,
  'application/vnd.docker.image.rootfs.foreign.diff.tar':
    'application/vnd.oci.image.layer.nondistributable.v1.tar',
  'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip':
    'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
};

/**
 * Writes the documents anew that refer to something that has changed. The others keep their bytes. All fields that nothing
 * here changes stay, unknown ones too.
 *
 * @returns the documents, each after those that it refers to. An index whose entries are all left out is absent
 */
export function rewriteDocuments(graph: ImageGraph, changes: Changes): readonly WrittenDocument[] {
  const written = new Map<Digest, WrittenDocument>();
  const leftOut = new Set(changes.leftOut);
  for (const document of graph.documents) {
    const { descriptor: from, bytes, manifest } = document;
    const edited =
      manifest === undefined
        ? editIndex(document, written, leftOut, changes)
        : editManifest(document, changes);
    if (edited === 'empty') leftOut.add(from.digest);
    else if (edited === undefined) written.set(from.digest, { from, descriptor: from, bytes, manifest });
    else written.set(from.digest, encode(document, edited));
  }
  return [...written.values()];
}

/** @returns undefined when it stays as it is */
function editManifest(
  { descriptor, bytes, manifest }: GraphDocument,
  changes: Changes,
): JsonText | undefined {
  const { layers, config } = manifest!;
  const isImage = artifactOf(manifest!) === undefined;
  const replaced = layers.map(({ digest }) => (isImage ? changes.layers.get(digest) : undefined));
  const isDocker = descriptor.mediaType === MEDIA_TYPE.dockerManifest;
  const toOCI = isDocker && (changes.oci || replaced.some((layer) => layer?.compression === 'zstd'));
  if (!toOCI && replaced.every((layer) => layer === undefined)) return undefined;
  const family = toOCI || config.mediaType !== MEDIA_TYPE.dockerConfig ? 'oci' : 'docker';
  const text = new JsonText(bytes, 'manifest');
  const edited = text.itemTexts(['layers']).map((json, at) => {
    const { digest, size, compression } = replaced[at] ?? {};
    // Annotations of the old blob, such as tables of contents, do not fit the new one.
    if (compression !== undefined)
      return JSON.stringify({ mediaType: LAYER_TYPES[family][compression], digest, size });
    return toOCI ? withFields(json, { mediaType: ociType(layers[at]!.mediaType) }, 'manifest') : json;
  });
  text.setItems(['layers'], edited);
  if (toOCI) {
    text.set(['mediaType'], MEDIA_TYPE.manifest);
    text.set(['config', 'mediaType'], isConfig(config.mediaType) ? MEDIA_TYPE.config : config.mediaType);
  }
  return text;
}

/** @returns undefined when it stays as it is; `empty` when it has no entry left */
function editIndex(
  { descriptor, bytes }: GraphDocument,
  written: ReadonlyMap<Digest, WrittenDocument>,
  leftOut: ReadonlySet<Digest>,
  { oci = false }: Changes,
): JsonText | 'empty' | undefined {
  const text = new JsonText(bytes, 'index');
  const entries = text.itemTexts(['manifests']).map((json) => {
    const entry = JSON.parse(json) as Descriptor | null;
    return { json, digest: entry?.digest };
  });
  const kept = entries.filter(({ digest }) => digest === undefined || !leftOut.has(digest));
  if (kept.length === 0 && entries.length > 0) return 'empty';
  const manifests = kept.map(({ json, digest: before }) => {
    const child = before === undefined ? undefined : written.get(before);
    if (child === undefined || child.descriptor === child.from) return json;
    const { mediaType, digest, size } = child.descriptor;
    return withFields(json, { mediaType, digest, size }, 'index');
  });
  const toOCI = oci && descriptor.mediaType === MEDIA_TYPE.dockerIndex;
  const isSame = kept.length === entries.length && manifests.every((json, at) => json === kept[at]!.json);
  if (isSame && !toOCI) return undefined;
  if (!isSame) text.setItems(['manifests'], manifests);
  if (toOCI) text.set(['mediaType'], MEDIA_TYPE.index);
  return text;
}

function ociType(mediaType: string): string {
  return OCI_LAYERS[mediaType] ?? mediaType;
}

function encode({ descriptor: from, manifest }: GraphDocument, text: JsonText): WrittenDocument {
  const { bytes } = text;
  const own = text.get(['mediaType']);
  const mediaType = typeof own === 'string' && own !== '' ? own : from.mediaType;
  const descriptor = { ...from, mediaType, digest: sha256(bytes), size: bytes.length };
  return { from, descriptor, bytes, manifest: manifest && parseManifest(bytes, mediaType) };
}

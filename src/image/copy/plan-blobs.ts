import { OverlayerError } from '../../base/errors.js';
import type { ErofsLayerInfo } from '../../layer/erofs/read-erofs-layer.js';
import type { Compression } from '../../layer/options.js';
import { artifactOf } from '../../oci/artifact.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { DiffID, Digest } from '../../oci/digest.js';
import { parseImageConfig } from '../../oci/image-config.js';
import type { ImageManifest } from '../../oci/manifest.js';
import { isNonDistributable, layerCompression } from '../../oci/media-types.js';
import { readDocument } from '../source/blob-bytes.js';
import { planLayers } from '../source/image-contents.js';
import type { ImageSource } from '../source/image-source.js';
import type { GraphDocument, ImageGraph } from './image-graph.js';

/** A blob to copy. */
export interface PlannedBlob {
  /** As the source's manifest has it. */
  readonly descriptor: Descriptor;
  /** A layer whose blob takes another form; undefined for a blob that stays as it is. */
  readonly rewrite?: LayerRewrite | undefined;
}

export interface LayerRewrite {
  readonly diffID: DiffID;
  readonly compression: Compression;
  /** Has the layer's tar, when the source lacks its blob. */
  readonly file: ErofsLayerInfo | undefined;
}

export interface PlanOptions {
  /** The compression that all layers get. @default as they are */
  readonly compression: Compression | undefined;
  /** The compression of layers whose blobs the source lacks. */
  readonly fallback: Compression;
  /** Whether non-distributable layers are copied that the source has. Sources often lack them. */
  readonly foreignLayers: boolean;
  readonly signal: AbortSignal | undefined;
}

/**
 * Lists the blobs of an image, each once.
 *
 * @throws OverlayerError `NotFound`: the source lacks a blob; as `planLayers` for an image whose layers are rewritten
 */
export async function planBlobs(
  source: ImageSource,
  graph: ImageGraph,
  options: PlanOptions,
): Promise<readonly PlannedBlob[]> {
  const blobs = new Map<string, PlannedBlob>();
  const add = (blob: PlannedBlob) => {
    if (!blobs.has(keyOf(blob))) blobs.set(keyOf(blob), blob);
  };
  for (const descriptor of graph.others) add({ descriptor });
  for (const { descriptor, manifest } of graph.documents)
    if (manifest !== undefined)
      for (const blob of await blobsOf(source, { descriptor, manifest }, options)) add(blob);
  return [...blobs.values()];
}

/** An artifact may have a blob as it is that is a rewritten layer of an image. */
export function keyOf({ descriptor, rewrite }: PlannedBlob): string {
  return rewrite === undefined ? descriptor.digest : `${descriptor.digest} ${rewrite.compression}`;
}

type Manifest = Pick<GraphDocument, 'descriptor'> & { readonly manifest: ImageManifest };

async function blobsOf(
  source: ImageSource,
  { descriptor, manifest }: Manifest,
  options: PlanOptions,
): Promise<readonly PlannedBlob[]> {
  const { config, layers } = manifest;
  const kept: Descriptor[] = [];
  const lacking = new Set<Digest>();
  for (const blob of [config, ...layers]) {
    const has = await source.has?.(blob);
    if (isNonDistributable(blob.mediaType) && !(options.foreignLayers && has)) continue;
    kept.push(blob);
    if (has === false) lacking.add(blob.digest);
  }
  const isImage = artifactOf(manifest) === undefined;
  const changes = options.compression !== undefined && isImage;
  if (lacking.size === 0 && !changes) return kept.map((blob) => ({ descriptor: blob }));
  const hasTars = lacking.size === 0 || source.tars !== undefined;
  if (!hasTars || lacking.has(config.digest) || !isImage) throw await lackingBlob(source, lacking);
  const parsed = parseImageConfig(await readDocument(source, config, options));
  const planned = planLayers({ descriptor, manifest, config: parsed });
  const files = lacking.size === 0 ? undefined : await source.tars?.(planned.map(({ diffID }) => diffID));
  if (lacking.size > 0 && files === undefined) throw await lackingBlob(source, lacking);
  const rewritten = planned.flatMap(({ descriptor: layer, diffID }, at): readonly PlannedBlob[] => {
    if (!kept.includes(layer)) return [];
    const file = lacking.has(layer.digest) ? files?.[at] : undefined;
    const compression = options.compression ?? (file && options.fallback);
    const stays = file === undefined && layerCompression(layer.mediaType) === compression;
    if (compression === undefined || stays) return [{ descriptor: layer }];
    return [{ descriptor: layer, rewrite: { diffID, compression, file } }];
  });
  return [{ descriptor: config }, ...rewritten];
}

/** The error of the source for the first blob that it lacks. */
async function lackingBlob(source: ImageSource, [first]: Set<Digest>): Promise<unknown> {
  try {
    await source.open({ mediaType: 'application/octet-stream', digest: first!, size: 0 });
  } catch (error) {
    return error;
  }
  return new OverlayerError('NotFound', `Blob ${first} is not in "${source.description}"`);
}

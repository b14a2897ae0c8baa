import { buffer } from 'node:stream/consumers';
import type { Tell } from '../../base/task.js';
import { chainIDs } from '../../oci/chain-ids.js';
import type { Descriptor } from '../../oci/descriptor.js';
import { editImageConfig, emptyConfig, formatTime, type RawHistoryEntry } from '../../oci/edit-config.js';
import type { HistoryEntry } from '../../oci/image-config.js';
import { JsonText } from '../../oci/json-text.js';
import { familyOf, MEDIA_TYPE } from '../../oci/media-types.js';
import { hostPlatform } from '../../oci/platform.js';
import { PullLease } from '../pull/pull-context.js';
import { pullImage } from '../pull/pull-image.js';
import { defaultConcurrency, unpackLayers } from '../pull/unpack-layers.js';
import { newImageName } from '../reference.js';
import { sha256 } from '../source/blob-bytes.js';
import { contentSource } from '../source/content-source.js';
import type { ImageContents } from '../source/image-contents.js';
import { AdmittedImage } from '../store/admit-image.js';
import type { ImageRecord } from '../store/image-records.js';
import { putBlob } from '../store/put-blob.js';
import type { StoreParts } from '../store/store-parts.js';
import { LayerMaker, type LayerPlace, type MadeLayer, type ShowTrees } from './layer-maker.js';
import type { BuildEvent, BuildOptions, NewLayer } from './options.js';

/** A call of a store's method that makes an image. */
export interface BuildCall<Options extends BuildOptions = BuildOptions> {
  /** The reference of the new image. */
  readonly name: string;
  readonly options: Options;
  readonly tell: Tell<BuildEvent>;
}

/** The image to make. */
export interface BuildRequest extends BuildCall {
  /** The image that it is made of, for one platform. @default none: an image from nothing */
  readonly base?: ImageContents | undefined;
  /** Another image whose layers are used. @default none */
  readonly uses?: ImageContents | undefined;
  /** The command for the history, unless the options name another one. */
  readonly command: string;
}

/** Makes the layers of a build, above others. Those are in the store. */
export interface LayerTools {
  make(below: readonly MadeLayer[], layer: NewLayer): Promise<MadeLayer>;
  diff(below: readonly MadeLayer[], show: ShowTrees): Promise<MadeLayer>;
  /** An entry for the history, with the time and the command of the build. */
  entry(emptyLayer?: boolean): HistoryEntry;
}

/** The layers and the history of a new image. */
export interface BuildPlan {
  /** All layers, the lowest first. */
  readonly layers: readonly MadeLayer[];
  /** Replaces the history of the base. @default unchanged */
  readonly history?: readonly RawHistoryEntry[] | undefined;
  /** Entries after that history. */
  readonly appended: readonly HistoryEntry[];
}

/**
 * Makes an image in a store. A lease holds all that it uses. The blobs of new layers come first, then the config and the
 * manifest. Then the image enters the store as in a pull: the verifiers are asked, new layers are unpacked, and the image
 * is recorded. A failed build deletes all that it made.
 *
 * @param plan makes the new layers
 */
export async function buildImage(
  parts: StoreParts,
  request: BuildRequest,
  plan: (tools: LayerTools) => Promise<BuildPlan>,
): Promise<ImageRecord> {
  const { base, options, tell } = request;
  const name = newImageName(request.name);
  const created = options.sourceDateEpoch ?? new Date();
  const lease = await PullLease.take(parts);
  const put = (mediaType: string, bytes: Uint8Array) => putDocument(parts, lease, mediaType, bytes);
  try {
    for (const image of [base, request.uses]) await holdImage(lease, image);
    const { layers, history, appended } = await plan(layerTools(parts, lease, request, created));
    const diffIDs = layers.map(({ diffID }) => diffID);
    await lease.holdNew(...chainIDs(diffIDs).map((id) => ({ type: 'snapshot', id }) as const));
    const platform = options.platform ?? hostPlatform();
    const config = editImageConfig(base?.config.text ?? emptyConfig(platform), {
      ...{ created, diffIDs, history, appended },
      changes: options.config,
    });
    const configType = base?.manifest.config.mediaType || MEDIA_TYPE.config;
    const manifest = await editManifest(parts, base, {
      config: await put(configType, config),
      layers: layers.map(({ descriptor }) => descriptor),
      annotations: options.annotations,
    });
    const target = await put(base?.descriptor.mediaType ?? MEDIA_TYPE.manifest, manifest);
    const admitted = await AdmittedImage.admit(name, target, options);
    const source = contentSource(parts.content, { name, target });
    const record = await pullImage(
      parts,
      source,
      admitted,
      {
        ...{ signal: options.signal, limits: options.limits, labels: options.labels },
        platform: options.config?.platform ?? base?.config.platform ?? platform,
      },
      tell,
    );
    await lease.release();
    return record;
  } catch (error) {
    // The error of the build is the cause; one of the cleanup is not reported.
    await lease.undo().catch(() => {});
    throw error;
  }
}

async function holdImage(lease: PullLease, image: ImageContents | undefined): Promise<void> {
  if (image === undefined) return;
  const { descriptor, manifest, layers } = image;
  const blobs = [descriptor, manifest.config, ...manifest.layers];
  await lease.hold(
    ...blobs.map(({ digest }) => ({ type: 'content', id: digest }) as const),
    ...layers.map(({ chainID }) => ({ type: 'snapshot', id: chainID }) as const),
  );
}

function layerTools(
  parts: StoreParts,
  lease: PullLease,
  { base, command, options, tell }: BuildRequest,
  created: Date,
): LayerTools {
  const { compression, compressionLevel, sourceDateEpoch, limits, signal } = options;
  const family = familyOf(base?.descriptor.mediaType ?? MEDIA_TYPE.manifest);
  const maker = new LayerMaker(parts, lease, family, {
    ...{ compression, compressionLevel, sourceDateEpoch, limits, signal },
  });
  let count = 0;
  const telling = async (
    below: readonly MadeLayer[],
    make: (place: LayerPlace) => Promise<MadeLayer>,
  ): Promise<MadeLayer> => {
    const index = count++;
    const parent = chainIDs(below.map(({ diffID }) => diffID)).at(-1);
    if (parent !== undefined && !(await parts.snapshots.find(parent)))
      await unpackBase(parts, lease, base!, { limits, signal });
    const made = await make({
      parent,
      // Keys from 0 on are those of the pull.
      onProgress: (progress) => tell({ type: 'make', index, ...progress }, -1 - index),
    });
    tell({ type: 'made', index, descriptor: made.descriptor, diffID: made.diffID });
    return made;
  };
  return {
    make: (below, layer) => telling(below, (place) => maker.make(layer, place)),
    diff: (below, show) => telling(below, (place) => maker.diff(show, place)),
    entry: (emptyLayer) => ({
      created: formatTime(created),
      createdBy: options.createdBy ?? command,
      author: options.config?.author || undefined,
      comment: options.comment,
      emptyLayer,
    }),
  };
}

/** Unpacks the layers of a base that is in the store without its snapshots. */
async function unpackBase(
  parts: StoreParts,
  lease: PullLease,
  { descriptor, layers }: ImageContents,
  { limits, signal = new AbortController().signal }: Pick<BuildOptions, 'limits' | 'signal'>,
): Promise<void> {
  const source = contentSource(parts.content, { name: descriptor.digest, target: descriptor });
  const context = { parts, source, lease, keepBlobs: true, limits, signal, thread: 'worker' as const };
  await unpackLayers(context, { layers, concurrency: defaultConcurrency(), tell: () => {} });
}

interface ManifestEdit {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations: BuildOptions['annotations'];
}

/** The manifest of the base with other layers. Descriptors that stay keep unknown fields. */
async function editManifest(
  { content }: StoreParts,
  base: ImageContents | undefined,
  { config, layers, annotations }: ManifestEdit,
): Promise<Uint8Array> {
  const bytes =
    base === undefined
      ? Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.manifest }))
      : await buffer(content.read(base.descriptor.digest));
  const text = new JsonText(bytes, 'manifest');
  const known = new Map(
    text.itemTexts(['layers']).map((json) => {
      const { mediaType, digest } = JSON.parse(json) as Descriptor;
      return [`${mediaType} ${digest}`, json];
    }),
  );
  const texts = layers.map(
    (layer) => known.get(`${layer.mediaType} ${layer.digest}`) ?? JSON.stringify(layer),
  );
  text.set(['config'], config);
  text.setItems(['layers'], texts);
  if (annotations !== undefined) text.setMembers(['annotations'], new Map(Object.entries(annotations)));
  return text.bytes;
}

async function putDocument(
  parts: StoreParts,
  lease: PullLease,
  mediaType: string,
  bytes: Uint8Array,
): Promise<Descriptor> {
  const blob = { digest: sha256(bytes), size: bytes.length };
  return await putBlob(parts, lease, async (ingest) => {
    await ingest.write(bytes);
    return { result: { mediaType, ...blob }, blob };
  });
}

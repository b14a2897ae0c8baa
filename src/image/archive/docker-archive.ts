import * as v from 'valibot';
import type { AbortableOptions } from '../../base/abort.js';
import { isCode, OverlayerError } from '../../base/errors.js';
import { displayPath } from '../../base/path-bytes.js';
import { DETECT_BYTES, detectFormat } from '../../compression/detect.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { DiffID, Digest } from '../../oci/digest.js';
import { checkFields, list, parseJson, TextSchema } from '../../oci/document.js';
import { parseImageConfig } from '../../oci/image-config.js';
import { LAYER_TYPES, MEDIA_TYPE } from '../../oci/media-types.js';
import { storedName } from '../reference.js';
import { sha256 } from '../source/blob-bytes.js';
import type { PassedOver, SourceImage } from '../source/image-source.js';
import {
  type FindFile,
  hashFile,
  type LocalFile,
  type LocalImages,
  readStart,
  readWholeFile,
  sizeOf,
} from '../source/local-images.js';

export const DOCKER_MANIFEST_FILE = 'manifest.json';

/** Images, tags and layers that one archive may name: each name can cause much larger work. */
const MAX_NAMED = 65_536;

const ImageSchema = v.object({ Config: v.string(), RepoTags: list(TextSchema), Layers: list(v.string()) });
/** The tags of an entry that is otherwise malformed. */
const TagsSchema = v.object({ RepoTags: v.fallback(list(TextSchema), []) });

type DockerImage = v.InferOutput<typeof ImageSchema>;

/**
 * Lists the images of an archive that `docker save`, skopeo or buildah wrote (containerd, core/images/archive). Such an
 * archive has no registry manifests: a Docker schema 2 manifest is made for each image, always with the same bytes.
 *
 * @throws OverlayerError `InvalidArgument`, `Unimplemented`; `ResourceExhausted` for more than `MAX_NAMED` names
 */
export async function readDockerArchive(
  find: FindFile,
  options: AbortableOptions = {},
): Promise<LocalImages> {
  return await new DockerArchive(find, options).read();
}

class DockerArchive {
  readonly #find: FindFile;
  readonly #options: AbortableOptions;
  readonly #blobs = new Map<Digest, LocalFile>();
  /** Results by file: images share layers, and hostile archives may share any file. */
  readonly #configs = new Map<LocalFile, Config>();
  readonly #layers = new Map<LocalFile, Descriptor>();

  constructor(find: FindFile, options: AbortableOptions) {
    this.#find = find;
    this.#options = options;
  }

  async read(): Promise<LocalImages> {
    const document = parseJson(
      await readWholeFile(this.#need(DOCKER_MANIFEST_FILE), DOCKER_MANIFEST_FILE),
      DOCKER_MANIFEST_FILE,
    );
    const entries = checkFields(document, v.array(v.unknown()), DOCKER_MANIFEST_FILE);
    const images: SourceImage[] = [];
    const passedOver: PassedOver[] = [];
    let names = 0;
    for (const [at, entry] of entries.entries())
      try {
        const image = checkFields(entry, ImageSchema, `${DOCKER_MANIFEST_FILE}: entry ${at}`);
        names += 1 + image.RepoTags.length + image.Layers.length;
        if (names > MAX_NAMED)
          throw new OverlayerError(
            'ResourceExhausted',
            `Cannot read ${DOCKER_MANIFEST_FILE}: more than ${MAX_NAMED} images, tags and layers`,
          );
        const target = await this.#image(image);
        images.push(...namesOf(image).map((name) => ({ name, target })));
      } catch (error) {
        // A malformed image does not affect the others.
        if (!isCode(error, 'InvalidArgument', 'NotFound', 'Unimplemented')) throw error;
        const tags = v.is(TagsSchema, entry) ? v.parse(TagsSchema, entry) : { RepoTags: [] };
        passedOver.push(...namesOf(tags).map((name) => ({ name, error })));
      }
    return { images, passedOver, findBlob: (digest) => this.#blobs.get(digest) };
  }

  async #image({ Config, RepoTags, Layers }: DockerImage): Promise<Descriptor> {
    const config = await this.#config(this.#need(Config));
    if (config.diffIDs.length !== Layers.length)
      throw new OverlayerError(
        'InvalidArgument',
        `Image "${displayPath(RepoTags[0] ?? Config)}" has ${Layers.length} layers, its config ${config.diffIDs.length}`,
      );
    const layers: Descriptor[] = [];
    for (const [index, name] of Layers.entries())
      layers.push(await this.#layer(this.#need(name), config.diffIDs[index]!));
    return this.#manifest(config.descriptor, layers);
  }

  async #config(file: LocalFile): Promise<Config> {
    const known = this.#configs.get(file);
    if (known !== undefined) return known;
    const bytes = await readWholeFile(file, 'config');
    const { diffIDs } = parseImageConfig(bytes);
    const descriptor = describe(MEDIA_TYPE.dockerConfig, bytes);
    this.#blobs.set(descriptor.digest, file);
    const config = { diffIDs, descriptor };
    this.#configs.set(file, config);
    return config;
  }

  /** The digest of an uncompressed layer is its diffID. The config claims it, and unpacking verifies it. */
  async #layer(file: LocalFile, diffID: DiffID): Promise<Descriptor> {
    const known = this.#layers.get(file);
    if (known !== undefined) return known;
    const format = detectFormat(await readStart(file, DETECT_BYTES));
    const digest = format === 'none' ? (file.digest ?? diffID) : await hashFile(file, this.#options);
    const layer = { mediaType: LAYER_TYPES.docker[format], size: sizeOf(file), digest };
    this.#layers.set(file, layer);
    this.#blobs.set(digest, file);
    return layer;
  }

  #manifest(config: Descriptor, layers: readonly Descriptor[]): Descriptor {
    const mediaType = MEDIA_TYPE.dockerManifest;
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers }));
    const target = describe(mediaType, bytes);
    this.#blobs.set(target.digest, { bytes });
    return target;
  }

  #need(name: string): LocalFile {
    const file = this.#find(name);
    if (file !== undefined) return file;
    throw new OverlayerError('NotFound', `The image archive has no file "${displayPath(name)}"`, {
      hint: 'the archive is not whole: save the image again',
    });
  }
}

/** An image without tags has the name undefined. */
function namesOf({ RepoTags }: Pick<DockerImage, 'RepoTags'>): readonly (string | undefined)[] {
  return RepoTags.length === 0 ? [undefined] : RepoTags.map(storedName);
}

interface Config {
  readonly diffIDs: readonly DiffID[];
  readonly descriptor: Descriptor;
}

function describe(mediaType: string, bytes: Uint8Array): Descriptor {
  return { mediaType, size: bytes.length, digest: sha256(bytes) };
}

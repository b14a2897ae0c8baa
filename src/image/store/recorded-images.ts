import { checkArgument, checkOptions, checkPath } from '../../base/check-arguments.js';
import { OverlayerError } from '../../base/errors.js';
import { ifFound } from '../../base/if-found.js';
import { ProgressTask, type Task } from '../../base/task.js';
import type { MergedErofsLayers } from '../../layer/options.js';
import { LIST_OPTIONS, type ListOptions } from '../../metadata/filter-by.js';
import type { Labels } from '../../metadata/labels.js';
import type { Descriptor } from '../../oci/descriptor.js';
import { formatPlatform, type Platform } from '../../oci/platform.js';
import type { FileChange } from '../build/compare-images.js';
import type { PullEvent } from '../pull/pull-event.js';
import { canonicalName, newImageName } from '../reference.js';
import { contentSource } from '../source/content-source.js';
import { type ImageContents, readContents } from '../source/image-contents.js';
import type { ImageSource } from '../source/image-source.js';
import { UNPACK_IMAGE_OPTIONS, type UnpackedImage, type UnpackImageOptions } from '../unpack/options.js';
import { AdmittedImage } from './admit-image.js';
import { findKeepers } from './find-keepers.js';
import { collectGarbage } from './garbage.js';
import { MOUNTED_MANIFEST_LABEL, PLATFORM_LABEL } from './image-labels.js';
import {
  chooseImages,
  findImage,
  type ImageRecord,
  listImages,
  platformOf,
  putImage,
  removeImage,
} from './image-records.js';
import { mountImage } from './mount-image.js';
import { dropDeadBuilds } from './put-blob.js';
import {
  DIFF_IMAGES_OPTIONS,
  type DiffImagesOptions,
  IMAGE_PLATFORM_OPTIONS,
  type Image,
  type ImageHealth,
  type ImagePlatformOptions,
  type Images,
  type ImageUsage,
  MOUNT_IMAGE_OPTIONS,
  type MountImageOptions,
  PRUNE_OPTIONS,
  type PruneOptions,
  type PruneResult,
  WRITE_DISK_OPTIONS,
  type WriteDiskOptions,
} from './store.js';
import type { StoreParts } from './store-parts.js';

/** Images as records of the metadata store. */
export class RecordedImages implements Images {
  readonly #parts: StoreParts;

  constructor(parts: StoreParts) {
    this.#parts = parts;
  }

  async get(name: string): Promise<Image> {
    return this.open(this.#get(name));
  }

  async find(name: string): Promise<Image | undefined> {
    const record = this.#find(name);
    return record === undefined ? undefined : this.open(record);
  }

  async list(options: ListOptions = {}): Promise<readonly Image[]> {
    checkOptions('images.list', options, LIST_OPTIONS);
    const records = await chooseImages(() => this.#parts.metadata.read(listImages), options);
    return records.map((record) => this.open(record));
  }

  async tag(name: string, newName: string): Promise<Image> {
    const { name: found } = this.#get(name);
    const record = await this.#parts.metadata.write((transaction) => {
      const image = findImage(transaction, found);
      if (image === undefined) throw notFound(name);
      return putImage(transaction, { ...image, name: newImageName(newName, image.target.digest) });
    });
    return this.open(record);
  }

  async diff(before: string, after: string, options: DiffImagesOptions = {}): Promise<readonly FileChange[]> {
    checkOptions('images.diff', options, DIFF_IMAGES_OPTIONS);
    const { platform, ...rest } = options;
    const { compareImages } = await import('../build/compare-images.js');
    const contents = [];
    for (const name of [before, after])
      contents.push(await this.open(this.#get(name)).contents({ platform }));
    return await compareImages(this.#parts.snapshots, contents[0]!, contents[1]!, rest);
  }

  async source(...names: readonly string[]): Promise<ImageSource> {
    const images = names.map((name) => this.#get(name));
    const { content, snapshots } = this.#parts;
    return contentSource(content, images, snapshots);
  }

  async remove(name: string): Promise<void> {
    const { name: found } = this.#get(name);
    await this.#parts.metadata.write((transaction) => removeImage(transaction, found));
  }

  async prune(options: PruneOptions = {}): Promise<PruneResult> {
    checkOptions('images.prune', options, PRUNE_OPTIONS);
    await this.#parts.snapshots.cleanup({ signal: options.signal });
    await dropDeadBuilds(this.#parts.content);
    const collected = await collectGarbage(this.#parts, options);
    return { ...collected, keepers: await findKeepers(this.#parts) };
  }

  open(record: ImageRecord): Image {
    return new RecordedImage(this.#parts, record);
  }

  /** Finds an image by its exact name, or by a short form of it. */
  #find(name: string): ImageRecord | undefined {
    checkArgument('name', name, 'string');
    const canonical = canonicalName(name);
    return this.#parts.metadata.read(
      (transaction) =>
        findImage(transaction, name) ??
        (canonical === undefined ? undefined : findImage(transaction, canonical)),
    );
  }

  #get(name: string): ImageRecord {
    const found = this.#find(name);
    if (found === undefined) throw notFound(name);
    return found;
  }
}

function notFound(name: string): OverlayerError {
  return new OverlayerError('NotFound', `Image "${name}" does not exist`, {
    hint: 'overlayer images ls shows those that do',
  });
}

/** An image as its record was when it was read. */
class RecordedImage implements Image {
  readonly name: string;
  readonly target: Descriptor;
  readonly labels: Labels;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly #parts: StoreParts;

  constructor(parts: StoreParts, { name, target, labels, createdAt, updatedAt }: ImageRecord) {
    this.#parts = parts;
    this.name = name;
    this.target = target;
    this.labels = labels;
    this.createdAt = createdAt;
    this.updatedAt = updatedAt;
  }

  get platform(): Platform {
    return platformOf(this);
  }

  async contents(options: ImagePlatformOptions = {}): Promise<ImageContents> {
    checkOptions('contents', options, IMAGE_PLATFORM_OPTIONS);
    return await readContents(this.#parts.content, this, options.platform ?? this.platform);
  }

  async usage(options: ImagePlatformOptions = {}): Promise<ImageUsage> {
    checkOptions('usage', options, IMAGE_PLATFORM_OPTIONS);
    const { snapshots } = this.#parts;
    const contents = await this.contents(options);
    let contentBytes = 0;
    for (const { digest } of this.#blobsOf(contents)) contentBytes += (await this.#sizeOf(digest)) ?? 0;
    let [bytes, inodes] = [0, 0];
    for (const { chainID } of contents.layers) {
      const usage = await ifFound(snapshots.usage(chainID));
      bytes += usage?.bytes ?? 0;
      inodes += usage?.inodes ?? 0;
    }
    return { contentBytes, snapshots: { bytes, inodes } };
  }

  async check(options: ImagePlatformOptions = {}): Promise<ImageHealth> {
    checkOptions('check', options, IMAGE_PLATFORM_OPTIONS);
    const contents = await ifFound(this.contents(options));
    const wanted = contents === undefined ? [this.target] : this.#blobsOf(contents);
    const blobs = { present: 0, total: wanted.length, bytes: 0, totalBytes: 0 };
    for (const { digest, size } of wanted) {
      blobs.totalBytes += size;
      if ((await this.#sizeOf(digest)) !== size) continue;
      blobs.present += 1;
      blobs.bytes += size;
    }
    const layers = { present: 0, total: contents?.layers.length ?? 0 };
    for (const { chainID } of contents?.layers ?? []) {
      const found = await this.#parts.snapshots.find(chainID);
      if (found?.kind === 'committed') layers.present += 1;
    }
    const isComplete =
      contents !== undefined && blobs.present === blobs.total && layers.present === layers.total;
    return { isComplete, blobs, layers };
  }

  async mount(directory: string, options: MountImageOptions = {}): Promise<void> {
    checkOptions('mount', options, MOUNT_IMAGE_OPTIONS);
    checkPath('directory', directory);
    const { writable = false, platform } = options;
    const { descriptor, layers, config } = await this.contents({ platform });
    const { mediaType, digest, size } = descriptor;
    const { os, architecture, variant } = config.platform;
    const labels = {
      [MOUNTED_MANIFEST_LABEL]: JSON.stringify({ mediaType, digest, size }),
      [PLATFORM_LABEL]: formatPlatform({ os, architecture, variant }),
    };
    const chainID = layers.at(-1)?.chainID;
    await mountImage(this.#parts.snapshots, { chainID, directory, writable, labels });
  }

  async writeDisk(file: string, options: WriteDiskOptions = {}): Promise<MergedErofsLayers> {
    checkOptions('writeDisk', options, WRITE_DISK_OPTIONS);
    checkPath('file', file);
    const { platform, ...writing } = options;
    const { writeDisk } = await import('./write-disk.js');
    const { layers } = await this.contents({ platform });
    const { content } = this.#parts;
    return await writeDisk(this.#parts, { layers, source: contentSource(content, this) }, file, writing);
  }

  unpackTo(directory: string, options: UnpackImageOptions = {}): Task<UnpackedImage, PullEvent> {
    return new ProgressTask(async (tell) => {
      checkOptions('unpackTo', options, UNPACK_IMAGE_OPTIONS);
      checkPath('directory', directory);
      const { applyImage } = await import('../unpack/apply-image.js');
      const source = contentSource(this.#parts.content, this);
      const image = AdmittedImage.ofStore(this);
      const given = { platform: this.platform, ...options };
      return { ...(await applyImage(source, image, directory, given, tell)), name: this.name };
    });
  }

  /** All blobs of the image, each once. */
  #blobsOf({ descriptor, manifest }: ImageContents): readonly Descriptor[] {
    const all = [this.target, descriptor, manifest.config, ...manifest.layers];
    return [...new Map(all.map((blob) => [blob.digest, blob])).values()];
  }

  async #sizeOf(digest: Descriptor['digest']): Promise<number | undefined> {
    return (await this.#parts.content.find(digest))?.size;
  }
}

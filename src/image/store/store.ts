import type { AbortableOptions } from '../../base/abort.js';
import type { ByteSource } from '../../base/byte-source.js';
import type { OptionNames } from '../../base/check-arguments.js';
import type { Task } from '../../base/task.js';
import type { ContentStore } from '../../content/content-store.js';
import type { MergedErofsLayers } from '../../layer/options.js';
import type { ListOptions } from '../../metadata/filter-by.js';
import type { SnapshotUsage } from '../../metadata/snapshot-records.js';
import type { Platform } from '../../oci/platform.js';
import type { OpenSnapshotterOptions, Snapshotter } from '../../snapshot/snapshotter.js';
import type { FileChange } from '../build/compare-images.js';
import type {
  BuildEvent,
  CommitImageOptions,
  CreateImageOptions,
  RebaseImageOptions,
  SquashImageOptions,
} from '../build/options.js';
import type { ConvertEvent, ConvertOptions, CopiedImage, CopyEvent, PushOptions } from '../copy/options.js';
import type { PullEvent } from '../pull/pull-event.js';
import { GET_IMAGE_OPTIONS, type GetImageOptions } from '../pull/pull-image.js';
import { OPEN_REGISTRY_OPTIONS, type OpenRegistryOptions } from '../registry/registry-access.js';
import type { ImageContents } from '../source/image-contents.js';
import type { ImageSource } from '../source/image-source.js';
import type { UnpackedImage, UnpackImageOptions } from '../unpack/options.js';
import type { Keeper } from './find-keepers.js';
import type { CollectResult } from './garbage.js';
import type { ImageRecord } from './image-records.js';

/**
 * # A store of images
 *
 * All data is below one root. An image is a name for a manifest, or for an index of manifests for several platforms. A
 * manifest refers to a config and layers, which are blobs in `content`. Each layer is unpacked into a snapshot, whose name
 * is the layer's chainID and whose parent is the snapshot of the layer below.
 *
 * ```ts
 * await using store = await openStore({ root });
 * const task = store.pull('debian:12');            // starts immediately
 * for await (const event of task) show(event);     // optional: shows the progress
 * const image = await task;
 * await image.mount('/mnt', { writable: true });
 * await store.unmount('/mnt');
 * ```
 *
 * An image is recorded only when it is complete, also after a crash. Several processes may use one store. Two processes
 * that pull the same blob fetch and unpack it once.
 */
export interface Store extends AsyncDisposable {
  readonly snapshots: Snapshotter;
  readonly content: ContentStore;
  readonly images: Images;

  /**
   * Pulls an image from a registry. Blobs and snapshots in the store are not fetched again. An interrupted pull is resumed.
   *
   * @param reference short or canonical: `debian:12`, `docker.io/library/debian:12`
   * @throws OverlayerError
   *   - as `openRegistry`, `unpackLayer` and `Snapshotter.commit`
   *   - `NotFound`: the image does not exist, or not for this platform
   *   - `DataLoss`: the size or digest of a blob, or the diffID of a layer, is wrong
   *   - `PermissionDenied`: a verifier refuses it
   *   - `InvalidArgument`, `Unimplemented`: the documents do not describe an image
   * @throws `signal.reason` when the signal aborts
   */
  pull(reference: string, options?: PullOptions): Task<Image, PullEvent>;

  /**
   * Imports images from an OCI layout (a directory) or an archive (a file or a stream): all images, or those of `names`. An
   * opened source stays open, and has chosen its images.
   * The verifiers are asked for each image, as by `pull`, before the first image is imported.
   *
   * @throws OverlayerError as `pull`, `openImageLayout` and `openImageArchive`
   */
  import(
    source: string | URL | ByteSource | ImageSource,
    options?: ImportOptions,
  ): Task<readonly Image[], PullEvent>;

  /**
   * Pushes an image to a registry: `copyImage` from the store. Blobs are sent as they are, if the store has kept them. A
   * layer whose blob was discarded is compressed on the way if the snapshots are layer files (backend `erofs`).
   *
   * @param name the image in the store
   * @param reference where it goes. @default the image's name
   * @throws OverlayerError as `openRegistryTarget` and `copyImage`
   * @throws `signal.reason` when the signal aborts
   *
   * @example
   * await store.push('app:2', 'registry.example/team/app:2');
   */
  push(name: string, reference?: string, options?: PushOptions): Task<CopiedImage, CopyEvent>;

  /**
   * Makes an image of another one, with layers of another compression or with OCI's media types. The config stays the same,
   * and so do the diffIDs and the snapshots: layers are unpacked only if their snapshots were removed. Of an index, all
   * platforms are converted that the store has. If it has one, the new image is its manifest. An event names the others.
   *
   * @param name the image to convert
   * @param newName reference of the new image. An image that has it loses it
   * @throws OverlayerError as `copyImage`, and as `pull` for verifiers
   * @throws `signal.reason` when the signal aborts. As after any failure, nothing stays
   *
   * @example
   * await store.convert('app:2', 'app:2-zstd', { compression: 'zstd', oci: true });
   */
  convert(name: string, newName: string, options?: ConvertOptions): Task<Image, ConvertEvent>;

  /**
   * Makes an image: from nothing or from another image, with new layers, another config, or both. The media types are
   * those of the base. An image with several platforms gives an image for one.
   *
   * With `sourceDateEpoch` the same inputs give the same digests. The history gets an entry for each new layer, or an
   * entry without a layer if there are none.
   *
   * @throws OverlayerError
   *   - as `pull` for verifiers and snapshots, and as `createDiff` and `planLayer` for new layers
   *   - `NotFound`: the base does not exist, or not for this platform
   *   - `InvalidArgument`: the name is not a reference; a change of the config is invalid; a layer is zstd and the base has
   *     Docker's media types, which have none
   *   - `FailedPrecondition`: files kept changing while a layer was made of them
   * @throws `signal.reason` when the signal aborts. As after any failure, nothing stays
   *
   * @example
   * const image = await store.createImage({
   *   name: 'app:2',
   *   base: 'debian:12',
   *   layers: [{ trees: { upper: 'dist' } }],
   *   config: { cmd: ['/app'], env: { NODE_ENV: 'production' } },
   * });
   */
  createImage(options: CreateImageOptions): Task<Image, BuildEvent>;

  /**
   * Makes an image of the changes in a mounted image, or in an active snapshot: they become a layer above those of the
   * image that was mounted. The mount stays as it is.
   *
   * Processes may write meanwhile. A change during the call is in the layer or not, and no file is cut short. The layer is
   * begun again when a file became shorter or was replaced while it was read, twice at most. Files that belong together may
   * be of different moments: stop or freeze the container if they must not.
   *
   * @param target the directory on which `Image.mount` mounted it writable, a bundle whose `rootfs` it is, or the key of a
   *   snapshot
   * @throws OverlayerError as `createImage`;
   *   - `NotFound`: there is no such snapshot, or no image has the layers that it was made of
   *   - `FailedPrecondition`: it is mounted read-only; several images have its layers, so `base` must name one; files kept
   *     changing
   */
  commit(target: string, name: string, options?: CommitImageOptions): Task<Image, BuildEvent>;

  /**
   * Makes an image with the same tree and fewer layers: one layer, or those up to `from` and one above. Steps of replaced
   * layers stay in the history, without a layer.
   *
   * @throws OverlayerError as `createImage`; `NotFound`: the image does not have the layer `from`, or is not unpacked;
   *   `FailedPrecondition`: there is no layer above it
   */
  squash(image: string, name: string, options?: SquashImageOptions): Task<Image, BuildEvent>;

  /**
   * Makes an image with the layers of another base below. The config stays, except for layers and history. Layers above the
   * base are not changed, so they may rely on files of the old base.
   *
   * @throws OverlayerError as `createImage`; `FailedPrecondition`: the first layers of the image are not those of `oldBase`
   */
  rebase(image: string, name: string, options: RebaseImageOptions): Task<Image, BuildEvent>;

  /**
   * Unmounts an image that `Image.mount` mounted on the directory. Deletes what was written to it.
   *
   * @throws OverlayerError `NotFound`
   */
  unmount(directory: string): Promise<void>;

  /** Waits for running pulls and imports, then closes the store. A second call does nothing. */
  close(): Promise<void>;
}

/** The options of `openSnapshotter`: the root that holds the store, and the backend of its snapshots. */
export type OpenStoreOptions = OpenSnapshotterOptions;

/** How an image is pulled from a registry. */
export interface PullOptions extends GetImageOptions, OpenRegistryOptions {}

/** Which images are imported, and as what. */
export interface ImportOptions extends GetImageOptions {
  /** Names or digests of the images to import. @default all images */
  readonly names?: readonly string[] | undefined;
  /** Name for the image; needs that exactly one image is imported. @default the name in the source, else the digest */
  readonly name?: string | undefined;
}

export const PULL_OPTIONS = {
  ...GET_IMAGE_OPTIONS,
  ...OPEN_REGISTRY_OPTIONS,
} satisfies OptionNames<PullOptions>;

export const IMPORT_OPTIONS = {
  ...GET_IMAGE_OPTIONS,
  names: 'strings',
  name: 'string',
} satisfies OptionNames<ImportOptions>;

/** An image as a list shows it. */
export type ListedImage = Pick<Image, 'name' | 'target' | 'platform' | 'labels' | 'createdAt' | 'updatedAt'>;

/**
 * The images of a store. Arguments may be short names (`debian`). The names of images are canonical references
 * (`docker.io/library/debian:latest`), or other names of a layout or archive.
 */
export interface Images {
  /** @throws OverlayerError `NotFound` */
  get(name: string): Promise<Image>;
  /** @returns undefined when the image does not exist */
  find(name: string): Promise<Image | undefined>;
  /**
   * Lists images in the order of their names. Filters have the fields `name`, `target.digest`, `target.mediatype` and
   * `labels.NAME`.
   *
   * @throws OverlayerError `InvalidArgument`: malformed filter
   */
  list(options?: ListOptions): Promise<readonly Image[]>;
  /**
   * Gives an image another name. An image that had this name loses it.
   *
   * @throws OverlayerError `NotFound`, `InvalidArgument`
   */
  tag(name: string, newName: string): Promise<Image>;
  /**
   * Compares the trees of two images: the entries that were added, changed or removed, sorted by path. Directories whose
   * attributes are the same are left out.
   *
   * @throws OverlayerError `NotFound`: an image does not exist, or is not unpacked; and as `mountAll`
   * @throws `signal.reason` when the signal aborts
   */
  diff(before: string, after: string, options?: DiffImagesOptions): Promise<readonly FileChange[]>;
  /** Images as a source for `copyImage`, which is valid while they exist. @throws OverlayerError `NotFound` */
  source(...names: readonly string[]): Promise<ImageSource>;
  /** Removes a name. `prune` deletes the data that no image uses then. @throws OverlayerError `NotFound` */
  remove(name: string): Promise<void>;
  /**
   * Deletes data that no image and no lease uses: blobs, interrupted ingests, and snapshots that a pull made. Mounted
   * snapshots stay. The result lists what was deleted, and what keeps other unused data.
   *
   * @throws `signal.reason` when the signal aborts; deletions up to then stay
   */
  prune(options?: PruneOptions): Promise<PruneResult>;
}

/** How images are compared. */
export interface DiffImagesOptions extends ImagePlatformOptions, AbortableOptions {}

/** Selects what a garbage collection deletes. */
export interface PruneOptions extends AbortableOptions {
  /**
   * Milliseconds without a write after which the partial blob of an interrupted pull is deleted.
   *
   * @default 86,400,000 (24 hours)
   */
  readonly ingestsIdleMs?: number | undefined;
}

export const PRUNE_OPTIONS = {
  signal: true,
  ingestsIdleMs: 'number',
} satisfies OptionNames<PruneOptions>;

/** The result of a garbage collection: what it deleted, and what keeps the rest. */
export interface PruneResult extends CollectResult {
  /** Leases, snapshots and labels that keep data which no image uses. */
  readonly keepers: readonly Keeper[];
}

/** An image in a store. */
export interface Image extends ImageRecord {
  /** The platform of the last pull. */
  readonly platform: Platform;
  /** Reads its manifest, config and layers. @throws OverlayerError `NotFound` (not for that platform), `DataLoss` */
  contents(options?: ImagePlatformOptions): Promise<ImageContents>;
  /** Disk usage of its blobs and snapshots, including those that it shares with other images. */
  usage(options?: ImagePlatformOptions): Promise<ImageUsage>;
  /** Counts its parts that are present. Reads none of their bytes: see `ContentStore.verify` and `Snapshotter.check`. */
  check(options?: ImagePlatformOptions): Promise<ImageHealth>;
  /**
   * Mounts its root filesystem read-only, or with a writable layer, which `unmount` deletes.
   *
   * @throws OverlayerError as `mountAll`; `FailedPrecondition` when its layers are not unpacked
   */
  mount(directory: string, options?: MountImageOptions): Promise<void>;
  /**
   * Writes its root filesystem as one file: an EROFS image that a loop device mounts and a virtual machine takes as its root
   * disk. The sectors of the disk must have 512 bytes. The same image gives the same bytes.
   *
   * A store of the backend `erofs` has the layers as files, which are copied. Other stores make them from the blobs first.
   *
   * @param file a file that does not exist; it appears when it is complete
   * @throws OverlayerError as `mergeErofsLayers` and `unpackLayer`; `NotFound` when a blob is needed and was not kept
   * @throws `signal.reason` when the signal is aborted
   */
  writeDisk(file: string, options?: WriteDiskOptions): Promise<MergedErofsLayers>;
  /**
   * Unpacks its blobs from the content store, as `unpackImage`. Asks no verifiers: they were asked when it entered the store.
   *
   * @throws OverlayerError `NotFound` when a blob was not kept
   */
  unpackTo(directory: string, options?: Omit<UnpackImageOptions, 'verify'>): Task<UnpackedImage, PullEvent>;
}

/** The platform that the image is meant for. */
export interface ImagePlatformOptions {
  /** @default the platform of the last pull */
  readonly platform?: Platform | undefined;
}

export const IMAGE_PLATFORM_OPTIONS = {
  platform: 'object',
} satisfies OptionNames<ImagePlatformOptions>;

export const DIFF_IMAGES_OPTIONS = { platform: true, signal: true } satisfies OptionNames<DiffImagesOptions>;

/** How an image is mounted. */
export interface MountImageOptions extends ImagePlatformOptions {
  /** @default false */
  readonly writable?: boolean | undefined;
}

export const MOUNT_IMAGE_OPTIONS = {
  platform: 'object',
  writable: 'boolean',
} satisfies OptionNames<MountImageOptions>;

/** How an image is written as a disk. */
export interface WriteDiskOptions extends ImagePlatformOptions, AbortableOptions {
  /** Flushes the file before it appears. @default true */
  readonly sync?: boolean | undefined;
}

export const WRITE_DISK_OPTIONS = {
  platform: 'object',
  signal: true,
  sync: 'boolean',
} satisfies OptionNames<WriteDiskOptions>;

/** Disk space of an image, parts that it shares with others included. */
export interface ImageUsage {
  /** Size of its blobs in the content store, in bytes. */
  readonly contentBytes: number;
  /** Usage of the snapshots of its layers. */
  readonly snapshots: SnapshotUsage;
}

/** Which parts of an image are in the store. */
export interface ImageHealth {
  readonly isComplete: boolean;
  /** Blobs of layers and documents. Sizes are in bytes. */
  readonly blobs: {
    readonly present: number;
    readonly total: number;
    readonly bytes: number;
    readonly totalBytes: number;
  };
  /** Snapshots of layers. */
  readonly layers: { readonly present: number; readonly total: number };
}

import type { AbortableOptions } from '../../base/abort.js';
import type { ByteSource } from '../../base/byte-source.js';
import type { OptionNames } from '../../base/check-arguments.js';
import type { Task } from '../../base/task.js';
import type { ContentStore } from '../../content/content-store.js';
import type { ListOptions } from '../../metadata/filter-by.js';
import type { SnapshotUsage } from '../../metadata/snapshot-records.js';
import type { Platform } from '../../oci/platform.js';
import type { OpenSnapshotterOptions, Snapshotter } from '../../snapshot/snapshotter.js';
import type { PullEvent } from '../pull/pull-event.js';
import { GET_IMAGE_OPTIONS, type GetImageOptions } from '../pull/pull-image.js';
import { OPEN_REGISTRY_OPTIONS, type OpenRegistryOptions } from '../registry/open-registry.js';
import type { ImageContents } from '../source/image-contents.js';
import type { UnpackedImage, UnpackImageOptions } from '../unpack/options.js';
import type { Keeper } from './find-keepers.js';
import type { CollectResult } from './garbage.js';
import type { ImageRecord } from './image-records.js';

/**
 * # A store of images
 *
 * Everything is below one root: an image is a name for a manifest (or an index of manifests, for several
 * platforms); the manifest leads to a config and layers, which are blobs in `content`; each layer is unpacked
 * into a snapshot upon that of the layer below, whose name is its chainID.
 *
 * ```ts
 * await using store = await openStore({ root });
 * const task = store.pull('debian:12');            // begins at once
 * for await (const event of task) show(event);     // if you want to watch
 * const image = await task;
 * await image.mount('/mnt', { writable: true });
 * await store.unmount('/mnt');
 * ```
 *
 * At any instant, crashes included, an image is whole or not there. Several processes may use a store at once:
 * what two of them pull is fetched and unpacked once.
 */
export interface Store extends AsyncDisposable {
  readonly snapshots: Snapshotter;
  readonly content: ContentStore;
  readonly images: Images;

  /**
   * Gets an image from a registry. What is there already is not asked for; an earlier pull that was interrupted
   * is gone on with.
   *
   * @param reference as people write it: `debian:12`
   * @throws OverlayerError
   *   - as `openRegistry`, `unpackLayer` and `Snapshotter.commit`
   *   - `NotFound`: no such image, or not for this platform
   *   - `DataLoss`: a blob has another size or digest, a layer another diffID
   *   - `PermissionDenied`: a verifier refuses it
   *   - `InvalidArgument`, `Unimplemented`: what the registry has there makes no image
   * @throws `signal.reason` when the signal asks for the end
   */
  pull(reference: string, options?: PullOptions): Task<Image, PullEvent>;

  /**
   * Gets images out of an OCI layout (a directory) or an archive (a file, or its bytes as they come), all of
   * them or those that are named. Verifiers are asked for each, as by `pull`, before the first of them is got.
   *
   * @throws OverlayerError as `pull`, `openImageLayout` and `openImageArchive`
   */
  import(source: string | URL | ByteSource, options?: ImportOptions): Task<readonly Image[], PullEvent>;

  /**
   * Unmounts what `Image.mount` has mounted there. What was written to it goes.
   *
   * @throws OverlayerError `NotFound`
   */
  unmount(directory: string): Promise<void>;

  /** Waits for what is under way. A second time does nothing. */
  close(): Promise<void>;
}

/** As of `openSnapshotter`: the root that holds the store, and the backend of its snapshots. */
export type OpenStoreOptions = OpenSnapshotterOptions;

/** How an image is pulled from a registry. */
export interface PullOptions extends GetImageOptions, OpenRegistryOptions {}

/** Which images are imported, and as what. */
export interface ImportOptions extends GetImageOptions {
  /** Of the images that are wanted, or their digests. @default all that are there */
  readonly names?: readonly string[] | undefined;
  /** What the image, of which there is one only then, is to be called. @default as it is called in there; else its digest */
  readonly name?: string | undefined;
}

export const PULL_OPTIONS = {
  ...GET_IMAGE_OPTIONS,
  ...OPEN_REGISTRY_OPTIONS,
} satisfies OptionNames<PullOptions>;

export const IMPORT_OPTIONS = {
  ...GET_IMAGE_OPTIONS,
  names: true,
  name: true,
} satisfies OptionNames<ImportOptions>;

/**
 * Names may be given as people write them (`debian`), and are canonical (`docker.io/library/debian:latest`)
 * where they are references.
 */
export interface Images {
  /** @throws OverlayerError `NotFound` */
  get(name: string): Promise<Image>;
  /** Undefined when there is no such image. */
  find(name: string): Promise<Image | undefined>;
  /**
   * All images in the order of their names. Filters know the fields `name`, `target.digest`, `target.mediatype` and
   * `labels.NAME`.
   *
   * @throws OverlayerError `InvalidArgument` (a filter that can't be read)
   */
  list(options?: ListOptions): Promise<readonly Image[]>;
  /**
   * Gives an image one more name; whatever had that name has lost it.
   *
   * @throws OverlayerError `NotFound`, `InvalidArgument`
   */
  tag(name: string, newName: string): Promise<Image>;
  /** Takes a name away; `prune` takes what nothing else leads to then. @throws OverlayerError `NotFound` */
  remove(name: string): Promise<void>;
  /**
   * Takes away what neither an image nor a lease leads to: blobs, what is left of ingests, and of the snapshots
   * those that a pull made. What is mounted stays. The result says what was taken and what keeps the rest.
   *
   * @throws `signal.reason` when the signal asks for the end; what has gone is gone
   */
  prune(options?: PruneOptions): Promise<PruneResult>;
}

/** What a garbage collection may delete. */
export interface PruneOptions extends AbortableOptions {
  /**
   * Of an interrupted pull, what has come of a blob goes when nobody has written to it for so many milliseconds.
   *
   * @default 24 hours
   */
  readonly ingestsIdleMs?: number | undefined;
}

export const PRUNE_OPTIONS = {
  signal: true,
  ingestsIdleMs: true,
} satisfies OptionNames<PruneOptions>;

/** What a garbage collection has deleted, and what keeps the rest. */
export interface PruneResult extends CollectResult {
  /** What keeps blobs and layers that no image leads to. */
  readonly keepers: readonly Keeper[];
}

/** An image in a store. */
export interface Image extends ImageRecord {
  /** For which it was pulled last. */
  readonly platform: Platform;
  /** Its manifest, config and layers. @throws OverlayerError `NotFound` (not for that platform), `DataLoss` */
  contents(options?: ImagePlatformOptions): Promise<ImageContents>;
  /** What is there of it, and what it takes; what it shares with other images too. */
  usage(options?: ImagePlatformOptions): Promise<ImageUsage>;
  /** Which parts of it are there. Their bytes are not read: see `ContentStore.verify` and `Snapshotter.check`. */
  check(options?: ImagePlatformOptions): Promise<ImageHealth>;
  /**
   * Mounts its root filesystem: to be read, or with a layer of its own to write to, which goes with `unmount`.
   *
   * @throws OverlayerError as `mountAll`; `FailedPrecondition` when its layers are not unpacked
   */
  mount(directory: string, options?: MountImageOptions): Promise<void>;
  /**
   * `unpackImage` of the blobs in the content store. Its verifiers were asked when it came into the store.
   *
   * @throws OverlayerError `NotFound` for one that was not kept
   */
  unpackTo(directory: string, options?: Omit<UnpackImageOptions, 'verify'>): Task<UnpackedImage, PullEvent>;
}

/** For which platform the image is meant. */
export interface ImagePlatformOptions {
  /** @default that for which it was pulled last */
  readonly platform?: Platform | undefined;
}

export const IMAGE_PLATFORM_OPTIONS = {
  platform: true,
} satisfies OptionNames<ImagePlatformOptions>;

/** How an image is mounted. */
export interface MountImageOptions extends ImagePlatformOptions {
  /** @default false */
  readonly writable?: boolean | undefined;
}

export const MOUNT_IMAGE_OPTIONS = {
  platform: true,
  writable: true,
} satisfies OptionNames<MountImageOptions>;

/** Disk space of an image, parts that it shares with others included. */
export interface ImageUsage {
  /** Bytes of the blobs that are kept. */
  readonly contentBytes: number;
  /** Of the snapshots of its layers. */
  readonly snapshots: SnapshotUsage;
}

/** Which parts of an image are in the store. */
export interface ImageHealth {
  readonly isComplete: boolean;
  /** Blobs of layers and documents, and how many of them there are. */
  readonly blobs: {
    readonly present: number;
    readonly total: number;
    readonly bytes: number;
    readonly totalBytes: number;
  };
  /** Snapshots of layers, and how many of them there are. */
  readonly layers: { readonly present: number; readonly total: number };
}

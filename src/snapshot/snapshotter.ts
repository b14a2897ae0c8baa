import { ABORTABLE_OPTIONS, type AbortableOptions } from '../base/abort.js';
import type { OptionNames } from '../base/check-arguments.js';
import type { Task } from '../base/task.js';
import type { ListOptions } from '../metadata/filter-by.js';
import type { Labels, UpdateOptions } from '../metadata/labels.js';
import type { SnapshotKind, SnapshotUsage } from '../metadata/snapshot-records.js';
import type { Mount } from '../mount/mount.js';
import type { Capability, MountsOptions, SnapshotBackend } from './backends/backend.js';
import type { CheckOptions, CheckProgress, CheckReport } from './check/check-report.js';
import type { CleanupResult } from './check/leftovers.js';

/**
 * # Snapshots
 *
 * A snapshot is the state of a directory tree. Its tree is its parent's tree with its own changes on top. A chain of
 * snapshots therefore holds the layers of an image, one on another.
 *
 * There are three kinds:
 *
 * - **active**: can be written to. `prepare` makes it, and `commit` turns it into a committed snapshot.
 * - **committed**: never changes, and can be a parent. Only `commit` makes it.
 * - **view**: can only be read, and can't be committed. `view` makes it.
 *
 * ```text
 *          prepare(key, { parent })            commit(key, { name })
 * parent ───────────────────────────▶ active ───────────────────────▶ committed
 *    │                                                                     │
 *    └──── view(key, { parent }) ───▶ view                            can be a parent
 * ```
 *
 * An active snapshot or a view has a **key**, a committed snapshot has a **name**. Keys and names share one namespace: a
 * text is the key or the name of one snapshot at most. You choose the key, for example the id of a container. Others look
 * for the name. The name of an image's layer is its chainID. A **parent** is the name of a committed snapshot.
 *
 * A snapshotter mounts nothing. `prepare`, `view` and `mounts` return what to mount, and `withMount` or `mountAll` mount
 * it. Unmount a snapshot before you commit or remove it.
 *
 * The contract, its words and its error codes are containerd's (core/snapshots). One order differs: the first argument is
 * the snapshot that the call acts on. containerd's `Commit(name, key)` is `commit(key, { name })`.
 *
 * ## Unpack a layer, and the next layer on it
 * ```ts
 * await unpackSnapshot(snapshots, 'base.tar.gz', { name: baseChainID });
 * await unpackSnapshot(snapshots, 'next.tar.gz', { name: nextChainID, parent: baseChainID });
 * ```
 *
 * ## Write anything else into a snapshot
 * ```ts
 * const mounts = await snapshots.prepare('import-1', { parent: nextChainID });
 * await withMount(mounts, (directory) => writeFile(join(directory, 'etc/hostname'), 'web'));
 * await snapshots.commit('import-1', { name: 'with a name' });
 * ```
 *
 * ## A root filesystem for a container
 * ```ts
 * const mounts = await snapshots.prepare('web-1', { parent: nextChainID });
 * await withMount(mounts, (directory) => run(directory));
 * await snapshots.remove('web-1');    // or commit it, as an image of your own
 * ```
 *
 * ## Layers that need not be unpacked
 * The label `containerd.io/snapshot.ref` tells `prepare` the name of the snapshot that you are going to commit
 * (containerd's docs/snapshotters/remote-snapshotter.md). `prepare` then has two more outcomes:
 *
 * - It rejects with `AlreadyExists`, and `find` returns a committed snapshot of that name. Another caller was faster, or
 *   the backend supplied the layer. Go on with the next layer. When `find` returns nothing, your key is taken: choose
 *   another key.
 * - The last mount is read-only. The backend has filled the snapshot: commit it, and unpack nothing.
 *
 * ## Layers that are unpacked at the same time
 * A backend with the capability `rebase` can unpack a layer before its parent is committed. Call `prepare` without a
 * parent, and `commit` with it. The label `containerd.io/snapshot/parent-chain-id` tells `prepare` that a parent will
 * come. `prepare` then returns an overlay that has only an upperdir. It can't be mounted. It tells the program that
 * unpacks the layer where to write, and keeps the layer's whiteouts.
 *
 * ## After a crash
 * A snapshot is whole, or it does not exist. Committed snapshots are on disk, their contents before their names. Active
 * snapshots and views stay, but files in an active snapshot may be cut short. `cleanup` frees the directories that
 * interrupted calls left.
 *
 * Several processes may use the same root at the same time.
 */
export interface Snapshotter extends AsyncDisposable {
  readonly backend: {
    readonly name: string;
    /** Why it was chosen: a sentence for people. */
    readonly reason: string;
    readonly capabilities: readonly Capability[];
  };

  /**
   * Makes an active snapshot, empty or on a parent. The parent does not change, and can't be removed while it has children.
   *
   * Time and disk: `overlay` makes two directories; `native` copies the parent's tree, unless the file system shares blocks.
   *
   * @returns what to mount to write to it
   * @throws `signal.reason` after an abort: there is no snapshot
   * @throws OverlayerError
   *   - `AlreadyExists`: the key is taken, or the snapshot that `containerd.io/snapshot.ref` names is committed
   *   - `NotFound`: there is no such parent
   *   - `InvalidArgument`: the parent is not committed; a key or label is invalid
   *   - `ResourceExhausted`: the disk is full
   */
  prepare(key: string, options?: PrepareOptions): Promise<readonly Mount[]>;

  /**
   * `prepare` with read-only mounts; the snapshot can't be committed. On a read-only file system it makes
   * no snapshot: the mounts show the parent.
   */
  view(key: string, options?: ViewOptions): Promise<readonly Mount[]>;

  /**
   * The mounts that `prepare` or `view` returned for the snapshot.
   *
   * @throws OverlayerError `NotFound`; `FailedPrecondition`: the snapshot is committed, so make a view of it
   */
  mounts(key: string, options?: MountsOptions): Promise<readonly Mount[]>;

  /**
   * Makes an active snapshot permanent, under a name. The committed snapshot can be a parent, and the key is free again.
   * Its labels are those of the options, not those of the active snapshot.
   *
   * It resolves once contents and name are on disk.
   *
   * Some directories of a layer that was unpacked before its parent have no entry in the layer. They take owner, mode,
   * attributes and times of the parent's directories, if the snapshot has the label `containerd.io/snapshot.ref`.
   *
   * @throws `signal.reason` after an abort: the snapshot is still active
   * @throws OverlayerError
   *   - `NotFound`: there is no such key or parent
   *   - `AlreadyExists`: the name is taken
   *   - `FailedPrecondition`: the snapshot is not active; `parent` is not committed
   *   - `InvalidArgument`: the snapshot has another parent; a name or label is invalid
   *   - `Unimplemented`: `parent` is given, and the backend has no `rebase`
   *   - `ResourceExhausted`, `DataLoss`: the contents can't be written to the disk. The snapshot is still active
   */
  commit(key: string, options: CommitOptions): Promise<SnapshotInfo>;

  /** @returns undefined when there is no such snapshot, also for an invalid key or name */
  find(key: string): Promise<SnapshotInfo | undefined>;

  /** `find` for a snapshot that must exist. @throws OverlayerError `NotFound` */
  stat(key: string): Promise<SnapshotInfo>;

  /**
   * Changes labels. No other field can be changed. Without `fieldpaths`, the patch's labels replace all labels.
   *
   * @throws OverlayerError `NotFound`; `InvalidArgument` (a field path to anything but labels, an invalid label)
   */
  update(key: string, patch: SnapshotPatch, options?: UpdateOptions): Promise<SnapshotInfo>;

  /**
   * Disk space of the snapshot without its parents. An active snapshot is measured now. A committed one was measured by
   * its commit. A view takes no space.
   *
   * @throws OverlayerError `NotFound`
   * @throws `signal.reason` after an abort
   */
  usage(key: string, options?: AbortableOptions): Promise<SnapshotUsage>;

  /**
   * All snapshots in the order of their names. Filters know the fields `name`, `parent`, `kind` and `labels.NAME`.
   * Snapshots may be made and removed during the walk. Each is returned as it is when its turn comes.
   *
   * @throws OverlayerError `InvalidArgument` : a filter has a syntax error
   * @throws `signal.reason` after an abort
   */
  walk(options?: ListOptions): AsyncIterable<SnapshotInfo>;

  /**
   * Removes a snapshot of any kind. Its parent stays, and can be removed afterwards.
   *
   * The snapshot disappears at once. Its space is free when the call resolves. The kernel needs up to 0.1 s longer for each
   * gigabyte of a layer file of the backend `erofs` that it has in memory; `close` waits for that. Where a directory can't
   * be removed, for example because something is mounted there, `cleanup` frees the space later.
   *
   * @throws OverlayerError `NotFound`; `FailedPrecondition`: it has children
   * @throws `signal.reason` after an abort. The snapshot is whole, or it is gone and its space is freed in the background
   */
  remove(key: string, options?: AbortableOptions): Promise<void>;

  /**
   * Runs `use` while it holds the lock of a name. One caller holds it at a time, over all processes that have the root
   * open. The lock excludes only other calls of `withLock`. `unpackSnapshot` takes it, so that a layer is unpacked once.
   * It ends with the process.
   *
   * @param use gets a signal that `close` aborts. `close` then waits until `use` has resolved, which may call other methods
   * @throws what `use` throws; `signal.reason` after an abort while it waits
   */
  withLock<T>(
    name: string,
    use: (closing: AbortSignal) => Promise<T>,
    options?: AbortableOptions,
  ): Promise<T>;

  /**
   * Removes what crashes, interrupted unpacks and interrupted removals left behind. It does not touch directories that a
   * process is working on.
   *
   * @throws `signal.reason` after an abort; what is removed by then stays removed
   */
  cleanup(options?: AbortableOptions): Promise<CleanupResult>;

  /**
   * Compares the metadata with the disk and the mounts. It finds
   *
   * - snapshots whose directory or parent is missing
   * - files of committed snapshots that are missing, cut short or changed. Each committed snapshot has a manifest with
   *   the checksums of its files
   * - directories and mounts that belong to no snapshot
   *
   * It repairs and frees only what the options ask for. Other processes may use the snapshots during the check.
   *
   * @throws OverlayerError `DataLoss`: the metadata can't be read (see `rebuildMetadata`)
   * @throws `signal.reason` after an abort
   */
  check(options?: CheckOptions): Task<CheckReport, CheckProgress>;

  /** Waits for running calls. Later calls of other methods reject with `FailedPrecondition`. A second close does nothing. */
  close(): Promise<void>;
}

/** The place of the snapshots, and their layout on disk. */
export interface OpenSnapshotterOptions {
  /** Directory of the snapshots and their metadata. It is made when it does not exist, with mode 0700. */
  readonly root: string;
  /**
   * `overlay`: each snapshot is a layer, and overlayfs joins layers. `native`: each snapshot is a whole tree, copied from
   * its parent's. `erofs`: each snapshot is one file, which holds the tar of its layer. An object is a backend of your own.
   *
   * @default the backend of the snapshots that exist. In a new root, `overlay` where file system and kernel allow it,
   *   else `native`
   */
  readonly backend?: 'overlay' | 'native' | 'erofs' | SnapshotBackend | undefined;
}

/** Parent and labels of the new snapshot. */
export interface PrepareOptions extends AbortableOptions {
  /** Name of a committed snapshot. @default none: an empty directory */
  readonly parent?: string | undefined;
  readonly labels?: Labels | undefined;
}

export const PREPARE_OPTIONS = {
  ...ABORTABLE_OPTIONS,
  parent: 'string',
  labels: 'object',
} satisfies OptionNames<PrepareOptions>;

export const MOUNTS_OPTIONS = { merged: 'boolean' } satisfies OptionNames<MountsOptions>;

export interface ViewOptions extends PrepareOptions, MountsOptions {}

export const VIEW_OPTIONS = {
  ...PREPARE_OPTIONS,
  ...MOUNTS_OPTIONS,
} satisfies OptionNames<ViewOptions>;

/** Name and labels of the committed snapshot. */
export interface CommitOptions extends AbortableOptions {
  readonly name: string;
  /** The parent of a snapshot that was prepared without one. The backend needs the capability `rebase`. @default unchanged */
  readonly parent?: string | undefined;
  /** @default none */
  readonly labels?: Labels | undefined;
}

export const COMMIT_OPTIONS = {
  ...ABORTABLE_OPTIONS,
  name: 'string',
  parent: 'string',
  labels: 'object',
} satisfies OptionNames<CommitOptions>;

/** The fields of a snapshot that `update` can change. */
export interface SnapshotPatch {
  readonly labels?: Labels | undefined;
}

/** The record of a snapshot. */
export interface SnapshotInfo {
  /** The key, or the name of a committed snapshot. */
  readonly name: string;
  readonly kind: SnapshotKind;
  readonly parent: string | undefined;
  readonly labels: Labels;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

import { ABORTABLE_OPTIONS, type AbortableOptions } from '../base/abort.js';
import type { OptionNames } from '../base/check-arguments.js';
import type { Task } from '../base/task.js';
import type { ListOptions } from '../metadata/filter-by.js';
import type { Labels, UpdateOptions } from '../metadata/labels.js';
import type { SnapshotKind, SnapshotUsage } from '../metadata/snapshot-records.js';
import type { Mount } from '../mount/mount.js';
import type { Capability, SnapshotBackend } from './backends/backend.js';
import type { CheckOptions, CheckProgress, CheckReport } from './check/check-report.js';
import type { CleanupResult } from './check/cleanup.js';

/**
 * # Snapshots
 *
 * A snapshot is the state of a directory tree. The tree of a snapshot is its parent's with its own changes over it,
 * so that a chain of snapshots is an image's layers, one upon another.
 *
 * There are three kinds:
 *
 * - **active**: can be written to. `prepare` makes it, `commit` ends it.
 * - **committed**: does not change any more, and can be a parent. Only `commit` makes it.
 * - **view**: can be read only, and not be committed. `view` makes it.
 *
 * ```text
 *          prepare(key, { parent })            commit(key, { name })
 * parent ───────────────────────────▶ active ───────────────────────▶ committed
 *    │                                                                     │
 *    └──── view(key, { parent }) ───▶ view                            can be a parent
 * ```
 *
 * Active snapshots and views go by the **key** that they were made with; committed ones by the **name** that they
 * got. Keys and names are one set: neither may be taken when the other is to be used. A key is yours to choose and
 * of no consequence (an id of a container, say). A name is what others look for: for an image's layers it is the
 * chainID. A **parent** is the name of a committed snapshot.
 *
 * Nothing is mounted by a snapshotter. `prepare`, `view` and `mounts` tell what to mount, and `withMount` or
 * `mountAll` do it. Unmount before you commit or remove.
 *
 * The contract is containerd's (core/snapshots), and so are its words and error codes. What comes first here is the
 * snapshot acted upon: containerd's `Commit(name, key)` is `commit(key, { name })`.
 *
 * ## A layer into a snapshot, and the next layer on it
 * ```ts
 * await unpackSnapshot(snapshots, 'base.tar.gz', { name: baseChainID });
 * await unpackSnapshot(snapshots, 'next.tar.gz', { name: nextChainID, parent: baseChainID });
 * ```
 *
 * ## Anything else into a snapshot
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
 * The label `containerd.io/snapshot.ref` tells `prepare` which snapshot you are about to fill and commit: its name.
 * (containerd's docs/snapshotters/remote-snapshotter.md.) Then there are two more outcomes:
 *
 * - It rejects with `AlreadyExists`, and `stat` finds a committed snapshot of that name: the layer is there, because
 *   somebody was faster or the backend could supply it. Go on with the next layer. Where `stat` rejects with
 *   `NotFound`, it is your key that is taken: choose another.
 * - The last of the mounts is read-only: the backend has filled the snapshot. There is nothing to unpack; commit it.
 *
 * ## Layers that are unpacked at once
 * Where the backend's capabilities have `rebase`, a layer can be unpacked before its parent is committed: `prepare` without
 * a parent, and `commit` with it. The label `containerd.io/snapshot/parent-chain-id` tells `prepare` that a parent will
 * come. What it returns then is for whoever unpacks the layer, and not to be mounted: an overlay of an upperdir alone,
 * which keeps what the layer deletes.
 *
 * ## Cancelling
 * After an abort a call rejects with `signal.reason`, as it is, and leaves nothing behind: `prepare` and `view` make no
 * snapshot, `commit` leaves it active, `usage` and `check` change nothing, `cleanup` and `remove` keep what they have not
 * removed yet. An abort that comes too late to have an effect is ignored: the call resolves.
 *
 * ## After a crash
 * At any instant a snapshot is whole or does not exist. What was committed is on disk, its contents before its name.
 * Active snapshots and views stay; what is in an active one may be cut short. `cleanup` frees what was under way.
 *
 * Several processes may use the same root at once.
 */
export interface Snapshotter extends AsyncDisposable {
  readonly backend: {
    readonly name: string;
    /** Why it was chosen, a sentence for people. */
    readonly reason: string;
    readonly capabilities: readonly Capability[];
  };

  /**
   * Makes an active snapshot, empty or on a parent. The parent stays as it is, and can't be removed meanwhile.
   *
   * Time and disk: `overlay` makes two directories; `native` copies the parent's tree, unless the file system shares blocks.
   *
   * @returns what to mount to write to it
   * @throws `signal.reason` after an abort: there is no snapshot
   * @throws OverlayerError
   *   - `AlreadyExists`: the key is taken, or the layer of `containerd.io/snapshot.ref` is there
   *   - `NotFound`: no such parent
   *   - `InvalidArgument`: the parent is not committed; a key or label that can't be
   *   - `ResourceExhausted`: the disk is full
   */
  prepare(key: string, options?: PrepareOptions): Promise<readonly Mount[]>;

  /**
   * As `prepare`, but what is to be mounted can only be read, and the snapshot only be removed. Of a store on a read-only
   * file system the parent is shown, and there is no snapshot.
   */
  view(key: string, options?: PrepareOptions): Promise<readonly Mount[]>;

  /**
   * What to mount for an active snapshot or a view: the same as when it was made.
   *
   * @throws OverlayerError `NotFound`, `FailedPrecondition` (it is committed: make a view of it)
   */
  mounts(key: string): Promise<readonly Mount[]>;

  /**
   * Ends an active snapshot, whose state now is that of the new, committed one. The key is free again; children and
   * views may be made of the name. Labels are not handed down: the committed snapshot has those given here.
   *
   * It resolves once contents and name are on disk.
   *
   * With a late parent, and the label `containerd.io/snapshot.ref`, directories that the layer does not list take owner,
   * mode, attributes and times of the parent's, as if the layer had been unpacked upon it.
   *
   * @throws `signal.reason` after an abort: the snapshot is still active
   * @throws OverlayerError
   *   - `NotFound`: no such key, or parent
   *   - `AlreadyExists`: the name is taken
   *   - `FailedPrecondition`: not an active snapshot; the late parent is not committed
   *   - `InvalidArgument`: it has another parent already; a name or label that can't be
   *   - `Unimplemented`: a late parent, and a backend that can't do that
   *   - `ResourceExhausted`, `DataLoss`: it can't be brought to the disk. It is still active then
   */
  commit(key: string, options: CommitOptions): Promise<SnapshotInfo>;

  /** @returns undefined when there is no such snapshot, also for a text that can't be a key or name */
  find(key: string): Promise<SnapshotInfo | undefined>;

  /** As `find`. @throws OverlayerError `NotFound` */
  stat(key: string): Promise<SnapshotInfo>;

  /**
   * Changes labels. No other field can be changed. By default the patch's labels replace all labels.
   *
   * @throws OverlayerError `NotFound`; `InvalidArgument` (a field path to anything but labels, an invalid label)
   */
  update(key: string, patch: SnapshotPatch, options?: UpdateOptions): Promise<SnapshotInfo>;

  /**
   * What the snapshot takes by itself, without its parents: measured now for an active one, when it was committed
   * for a committed one. A view takes nothing.
   *
   * @throws OverlayerError `NotFound`
   * @throws `signal.reason` after an abort
   */
  usage(key: string, options?: AbortableOptions): Promise<SnapshotUsage>;

  /**
   * All snapshots in the order of their names. Filters know the fields `name`, `parent`, `kind` and `labels.NAME`.
   * Snapshots may be made and removed during the walk: each is given as it is when its turn comes.
   *
   * @throws OverlayerError `InvalidArgument` (a filter that can't be read)
   * @throws `signal.reason` after an abort
   */
  walk(options?: ListOptions): AsyncIterable<SnapshotInfo>;

  /**
   * Takes a snapshot of any kind away. Its parent stays, and may be removed after it.
   *
   * It is gone at once; its space is free when this resolves, or after `cleanup` where that does not work (something
   * is mounted in there).
   *
   * @throws OverlayerError `NotFound`, `FailedPrecondition` (it has children)
   * @throws `signal.reason` after an abort. The snapshot is whole, or it is gone and its space is freed in the background
   */
  remove(key: string, options?: AbortableOptions): Promise<void>;

  /**
   * Runs `use` while nobody else does so for the same name, in this process or any other that has the same root
   * open. It keeps nobody from anything else: `unpackSnapshot` takes it so that a layer is unpacked once. The lock
   * ends with the process.
   *
   * @throws what `use` throws; `signal.reason` when the signal ends the waiting
   */
  withLock<T>(name: string, use: () => Promise<T>, options?: AbortableOptions): Promise<T>;

  /**
   * Removes what crashes, interrupted unpacks and interrupted removals left behind. It does not touch directories that a
   * process is working on.
   *
   * @throws `signal.reason` after an abort; what is removed by then stays removed
   */
  cleanup(options?: AbortableOptions): Promise<CleanupResult>;

  /**
   * Compares metadata with what is on disk and what is mounted: snapshots whose directory or parent is gone; files of
   * committed snapshots that are gone, cut short or changed, by the manifest that each gets when it is committed; what
   * belongs to no snapshot. Repairs and frees where the options say so, and nothing else. Others may be at work
   * meanwhile.
   *
   * @throws OverlayerError `DataLoss` when the metadata can't be read: see `rebuildMetadata`
   * @throws `signal.reason` when the signal asks for the end
   */
  check(options?: CheckOptions): Task<CheckReport, CheckProgress>;

  /** Waits for what is under way. A second time does nothing. After it, all else rejects with `FailedPrecondition`. */
  close(): Promise<void>;
}

/** Where the snapshots are, and their layout on disk. */
export interface OpenSnapshotterOptions {
  /** Directory of the snapshots and their metadata. It is made when it does not exist, with mode 0700. */
  readonly root: string;
  /**
   * `overlay`: each snapshot is a layer, and overlayfs joins layers. `native`: each snapshot is a whole tree, copied from
   * its parent's. An object is a backend of your own.
   *
   * @default the backend of the snapshots that exist. In a new root, `overlay` where file system and kernel allow it,
   *   else `native`
   */
  readonly backend?: 'overlay' | 'native' | SnapshotBackend | undefined;
}

/** Parent and labels of the new snapshot. */
export interface PrepareOptions extends AbortableOptions {
  /** Name of a committed snapshot. @default none: an empty directory */
  readonly parent?: string | undefined;
  readonly labels?: Labels | undefined;
}

export const PREPARE_OPTIONS = {
  ...ABORTABLE_OPTIONS,
  parent: true,
  labels: true,
} satisfies OptionNames<PrepareOptions>;

/** Name and labels of the committed snapshot. */
export interface CommitOptions extends AbortableOptions {
  readonly name: string;
  /** For a snapshot that was prepared without one (`rebase` in the backend's capabilities). @default as it is */
  readonly parent?: string | undefined;
  /** @default none */
  readonly labels?: Labels | undefined;
}

export const COMMIT_OPTIONS = {
  ...ABORTABLE_OPTIONS,
  name: true,
  parent: true,
  labels: true,
} satisfies OptionNames<CommitOptions>;

/** The fields of a snapshot that `update` can change. */
export interface SnapshotPatch {
  readonly labels?: Labels | undefined;
}

/** The record of a snapshot. */
export interface SnapshotInfo {
  /** Its key, or its name when it is committed. */
  readonly name: string;
  readonly kind: SnapshotKind;
  readonly parent: string | undefined;
  readonly labels: Labels;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

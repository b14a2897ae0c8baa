import type { AbortableOptions } from '../../base/abort.js';
import type { Labels } from '../../metadata/labels.js';
import type { SnapshotKind, SnapshotUsage } from '../../metadata/snapshot-records.js';
import type { Mount } from '../../mount/mount.js';

/** The parts of a snapshot that its backend knows. */
export interface BackendSnapshot {
  /**
   * Its own directory, `<root>/snapshots/<id>`. The backend chooses the names in it, except `record`, `record.new` and
   * `manifest`: the snapshotter writes those.
   */
  readonly directory: string;
  /** Directories of its ancestors, nearest first. */
  readonly parents: readonly string[];
  readonly kind: SnapshotKind;
  readonly labels: Labels;
  /** True for views, and for active snapshots that the backend has filled itself. */
  readonly readOnly: boolean;
}

/**
 * The backend has filled the snapshot with the layer that its labels name.
 *
 * - `staged`: the snapshot is active and its mounts are read-only. The caller commits it
 * - `committed`: the snapshotter commits it, under the name in the label `containerd.io/snapshot.ref`
 */
export type Supplied = 'staged' | 'committed';

/** The words are containerd's (plugin capabilities). */
export type Capability =
  /** A commit can give a snapshot its parent. */
  | 'rebase'
  /** Mounts map owners as the labels `uidmapping` and `gidmapping` say. */
  | 'remap-ids';

/** How the mounts of a snapshot are described. */
export interface MountsOptions {
  /**
   * Whether one mount may show several layers. The backend `erofs` then describes a view as one mount of merged metadata; with
   * `false` it describes a mount of each layer, as for an active snapshot.
   * @default true
   */
  readonly merged?: boolean | undefined;
}

export interface CreateOptions extends AbortableOptions, MountsOptions {}

/**
 * The layout of snapshots in directories, and their mounts. The snapshotter does everything else: keys and records, names
 * and removal of directories, durability of metadata. A backend of your own is an object with these members.
 * `overlayer/testing` has the suite that it must pass.
 *
 * Methods may be called for several snapshots at once, and from several processes. After an abort a
 * method rejects with `signal.reason` once nothing writes to the snapshot's directory any more.
 */
export interface SnapshotBackend {
  /** It is stored with the snapshots. Only the backend that made a root can open it. */
  readonly name: string;
  readonly capabilities: readonly Capability[];
  /**
   * Fills the new, empty directory of an active snapshot or a view. The directory is renamed afterwards, so store no path
   * to it. After a failure the snapshotter removes it.
   */
  create(snapshot: BackendSnapshot, options?: CreateOptions): Promise<Supplied | undefined>;
  /** A function of its argument: it returns the same mounts after a restart. */
  mounts(snapshot: BackendSnapshot, options?: MountsOptions): readonly Mount[];
  /** Disk space of an active snapshot without its parents. */
  usage(snapshot: BackendSnapshot, options?: AbortableOptions): Promise<SnapshotUsage>;
  /**
   * Flushes the contents of an active snapshot, and everything in its directory, to the disk. The commit follows.
   */
  sync(snapshot: BackendSnapshot): Promise<void>;
  /**
   * Gives the root directory of an active snapshot the attributes of its new parent's root. Needed for `rebase`.
   */
  inheritRoot?(snapshot: BackendSnapshot): Promise<void>;
  /**
   * Does what `inheritRoot` does for every directory that the unpacker made because the layer does not list it.
   */
  inheritUnlisted?(snapshot: BackendSnapshot): Promise<void>;
}

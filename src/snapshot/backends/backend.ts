import type { AbortableOptions } from '../../base/abort.js';
import type { Labels } from '../../metadata/labels.js';
import type { SnapshotKind, SnapshotUsage } from '../../metadata/snapshot-records.js';
import type { Mount } from '../../mount/mount.js';

/** A snapshot as its backend sees it. */
export interface BackendSnapshot {
  /**
   * Its own directory, `<root>/snapshots/<id>`. What is in there is the backend's to decide, but for the names
   * `record`, `record.new` and `manifest`, which are the snapshotter's.
   */
  readonly directory: string;
  /** Directories of its ancestors, nearest first. */
  readonly parents: readonly string[];
  readonly kind: SnapshotKind;
  readonly labels: Labels;
  /** A view, or an active one that the backend has filled itself. */
  readonly readOnly: boolean;
}

/**
 * What a backend already knows how to fill, for a snapshot whose labels say which layer is wanted.
 *
 * - `staged`: the directory holds the layer; the snapshot is active, its mounts are read-only, and all that is left
 *   is to commit it
 * - `committed`: likewise, and the snapshotter commits it under the name that `containerd.io/snapshot.ref` says
 */
export type Supplied = 'staged' | 'committed';

/** In containerd's words (plugin capabilities). */
export type Capability =
  /** An active snapshot may get its parent when it is committed. */
  | 'rebase'
  /** Mounts can be given other owners by the `uidmapping` and `gidmapping` labels. */
  | 'remap-ids';

/**
 * How snapshots are laid out in directories and mounted. The snapshotter does all the rest: keys and records,
 * directories' names and their removal, durability of metadata. A backend of your own is one object of this kind;
 * `overlayer/testing` has the suite that shows whether it keeps the contract.
 *
 * Methods may be called for several snapshots at once, and from several processes. An abort is a request to reject with
 * `signal.reason` soon, once nothing writes to the snapshot's directory any more.
 */
export interface SnapshotBackend {
  /** Stored with the snapshots: a root can only be opened with the backend that made it. */
  readonly name: string;
  readonly capabilities: readonly Capability[];
  /**
   * Fills the new, empty directory of an active snapshot or a view. It gets its lasting name only afterwards: store
   * no path to it. After a failure the directory is taken away.
   */
  create(snapshot: BackendSnapshot, options?: AbortableOptions): Promise<Supplied | undefined>;
  /** Depends on nothing but what is given: the same after a restart. */
  mounts(snapshot: BackendSnapshot): readonly Mount[];
  /** What an active snapshot takes by itself. */
  usage(snapshot: BackendSnapshot, options?: AbortableOptions): Promise<SnapshotUsage>;
  /**
   * Brings an active snapshot to the disk: its contents, wherever they are, and all that is in its directory. It is
   * committed afterwards.
   */
  sync(snapshot: BackendSnapshot): Promise<void>;
  /**
   * With `rebase`: the root directory of an active snapshot, whose parents are new, takes the attributes of its
   * parent's.
   */
  inheritRoot?(snapshot: BackendSnapshot): Promise<void>;
  /**
   * With `rebase`: the same for all directories that whoever unpacked a layer there has made because the layer does not
   * list them.
   */
  inheritUnlisted?(snapshot: BackendSnapshot): Promise<void>;
}

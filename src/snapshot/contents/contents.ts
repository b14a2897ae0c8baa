import type { AbortableOptions } from '../../base/abort.js';
import type { FileFacts } from '../../layer/manifest/file-facts.js';
import type { LayerSource, UnpackLayerOptions } from '../../layer/options.js';
import type { SnapshotKind, SnapshotUsage } from '../../metadata/snapshot-records.js';
import type { DiffID } from '../../oci/digest.js';
import type { BackendSnapshot } from '../backends/backend.js';
import type { FillPlace, PreparedSnapshot } from '../fill/fill-place.js';
import type { VerifyCounts } from '../trees/verify-snapshot.js';

/**
 * The form in which the backends of this package keep the contents of snapshots: how a layer gets there, and how a
 * committed snapshot is described, checked and repaired. Backends of others have none, so their snapshots are flushed
 * and measured, and nothing else.
 */
export interface SnapshotContents {
  /** A sentence about what the directory of a snapshot lacks. Undefined when everything is there. */
  missing(directory: string, kind: SnapshotKind): string | undefined;

  /**
   * The place of a layer behind the mounts of an active snapshot.
   *
   * @returns undefined when the snapshot can only be written through its mounts
   */
  place(prepared: PreparedSnapshot): FillPlace | undefined;

  /** The place of a layer in the new directory of an active snapshot. @param parents nearest first */
  placeIn(directory: string, parents: readonly string[]): FillPlace;

  /** Describes contents that one layer has just filled. Nothing has to be on the disk yet. */
  describe(directory: string, known: KnownLayer): Promise<DescribedContents>;

  /**
   * Gives the contents of an active snapshot the form of a committed one.
   *
   * @param described by `describe`, and still true
   * @throws `signal.reason` after an abort
   */
  settle(
    snapshot: BackendSnapshot,
    options: AbortableOptions & { readonly described?: DescribedContents | undefined },
  ): Promise<DescribedContents>;

  /** Undoes `settle`, after a later step of the commit has failed. */
  unsettle(directory: string, described: DescribedContents | undefined): Promise<void>;

  /**
   * Shares what others may use, and begins to remove what only an active snapshot needs, after a commit.
   *
   * @returns `freed` resolves when that is removed. It rejects when something is left to `cleanUp`
   */
  committed?(directory: string): Promise<{ readonly freed: Promise<void> }>;

  /**
   * Called before the directory of a snapshot is removed.
   *
   * @returns drops what the snapshot shared with others. It is called afterwards. `freed` resolves when its space is free
   */
  removing?(directory: string): () => Promise<{ readonly freed: Promise<void> }>;

  /**
   * Frees what no snapshot uses any more, and does what `committed` has not done before a crash.
   *
   * @param snapshots the parent of their directories
   * @param committed the directories of committed snapshots
   */
  cleanUp?(snapshots: string, committed: readonly string[], options: AbortableOptions): Promise<void>;

  /**
   * Things beside the directories of snapshots that no snapshot uses any more, and that `cleanUp` removes.
   *
   * @param snapshots the parent of their directories
   */
  unusedMounts?(snapshots: string): readonly string[];

  /** @returns undefined when the contents were never described, so that they can't be verified */
  verify(directory: string, options: VerifyOptions): Promise<readonly ContentDamage[] | undefined>;

  /**
   * Verifies a file that a snapshot of any kind can do without, and that is made again when it is needed.
   *
   * @returns its damage, whose repair is the removal of the file at `path`
   */
  verifySpare?(directory: string, options: AbortableOptions): Promise<ContentDamage | undefined>;

  /** Bytes on the disk of such a file, once for the snapshots that share it. */
  measureSpare?(directory: string, kind: SnapshotKind): number;

  /** The layer of a snapshot, from a file of the store that has it whole. @param diffID undefined if unknown */
  storedLayer?(
    directory: string,
    diffID: DiffID | undefined,
    options: AbortableOptions,
  ): Promise<LayerSource | undefined>;

  /**
   * Replaces what is damaged.
   *
   * @param spare the directory of another snapshot, into which the same layer was unpacked again
   * @returns the damage that is left
   */
  mend(
    directory: string,
    spare: string,
    damage: readonly { readonly kind: string }[],
  ): Promise<readonly Pick<ContentDamage, 'path'>[]>;

  /** Disk space of a committed snapshot, without its parents. */
  measure(directory: string): Promise<SnapshotUsage>;
}

/** The unpacker's knowledge of a layer. */
export interface KnownLayer {
  readonly facts: FileFacts | undefined;
  readonly diffID: DiffID | undefined;
  /** The thread that unpacked the layer and describes it. */
  readonly thread?: UnpackLayerOptions['thread'];
}

export interface DescribedContents {
  /** Undefined where the contents have to be on the disk to be measured. */
  readonly usage: SnapshotUsage | undefined;
}

export interface VerifyOptions extends AbortableOptions {
  /** Whether the bytes of files are read. */
  readonly content: boolean;
  /** The record says that the contents are described. */
  readonly isDescribed: boolean;
  /** The diffID of the layer, if known. */
  readonly expected: DiffID | undefined;
  readonly counts: VerifyCounts;
  /** What this check has found in files that several snapshots share. The key tells the file. */
  readonly shared: Map<string, Promise<readonly ContentDamage[]>>;
}

/** One thing that is wrong with the contents of a committed snapshot. The fields are those of `CheckFinding`. */
export interface ContentDamage {
  readonly kind: 'missing' | 'modified' | 'added' | 'manifest' | 'layer-file' | 'merged-file';
  readonly path: string;
  readonly detail: string;
  readonly diffID?: DiffID | undefined;
}

import type { AbortableOptions } from '../../base/abort.js';
import type { OptionNames } from '../../base/check-arguments.js';
import type { LayerSource } from '../../layer/options.js';
import type { DiffID } from '../../oci/digest.js';

/** How thoroughly a check looks, and what it may change. */
export interface CheckOptions extends AbortableOptions {
  /** Compares sizes and attributes, and reads no file. It finds missing, shortened and changed files. @default false */
  readonly quick?: boolean | undefined;
  /**
   * Returns the layer of a damaged snapshot, from which the damaged files are replaced. It is called once for each damaged
   * snapshot, with its first finding. If the manifest knows the layer (`diffID`), another layer is refused. Record files
   * are rewritten without a layer.
   *
   * @default nothing is repaired
   */
  readonly repair?:
    | ((finding: CheckFinding) => LayerSource | undefined | Promise<LayerSource | undefined>)
    | undefined;
  /** Removes directories that belong to no snapshot. @default false */
  readonly prune?: boolean | undefined;
  /** Changes nothing, and reports what would be done. @default false */
  readonly dryRun?: boolean | undefined;
}

export const CHECK_OPTIONS = {
  signal: true,
  quick: 'boolean',
  repair: 'function',
  prune: 'boolean',
  dryRun: 'boolean',
} satisfies OptionNames<CheckOptions>;

/** How far a check has come. */
export interface CheckProgress {
  /** Snapshots that are checked, of `totalSnapshots`. */
  readonly snapshots: number;
  readonly totalSnapshots: number;
  /** Files, directories and other entries that were compared. */
  readonly entries: number;
  /** Bytes of files that were read. */
  readonly bytes: number;
}

/** Kinds of damage of a snapshot. */
export type DamageKind =
  /** The snapshot's directory, or the tree in it, is missing. */
  | 'missing-directory'
  /** The parent snapshot is missing. */
  | 'missing-parent'
  /** An entry of the layer is missing. */
  | 'missing'
  /** An entry differs from the layer in content, attributes or type. */
  | 'modified'
  /** The layer has no such entry. */
  | 'added'
  /** The manifest is damaged or missing. The files can't be checked. */
  | 'manifest'
  /** The layer file is damaged. A file in it that can't be read is `modified` instead. */
  | 'layer-file'
  /** The merged metadata for views are damaged. The repair removes the file: the next view makes it again. */
  | 'merged-file'
  /** The record file, from which the metadata could be rebuilt, is damaged or missing. */
  | 'record-file';

/** Kinds of things that belong to no snapshot. */
export type LeftoverKind =
  /** A directory that belongs to no snapshot, and that no process works on. */
  | 'orphan'
  /** A mount of a snapshot that was removed. A check does not unmount it: it may be in use. */
  | 'stale-mount';

/** One thing that is wrong, or left over, and what was done about it. */
export interface CheckFinding {
  readonly kind: DamageKind | LeftoverKind;
  /** Key or name of the damaged snapshot. Undefined for orphans and stale mounts. */
  readonly snapshot: string | undefined;
  readonly parent: string | undefined;
  /** Relative to the snapshot's tree for `missing`, `modified` and `added` ('' is its root). Else an absolute path. */
  readonly path: string;
  /** A sentence for people. */
  readonly detail: string;
  /** The diffID of the layer that can repair it, if known. */
  readonly diffID: DiffID | undefined;
  readonly outcome: 'found' | 'would-repair' | 'repaired' | 'would-prune' | 'pruned' | 'failed';
  /** The failure of the repair or the removal. */
  readonly error: unknown;
}

/** The result of a check. */
export interface CheckReport extends CheckProgress {
  readonly findings: readonly CheckFinding[];
  /**
   * Committed snapshots that have no manifest and can't be checked. Their backend has a layout of its own, or the process
   * that committed them could not read all files.
   */
  readonly unverified: readonly string[];
  /** There is damage that was not repaired. */
  readonly damaged: boolean;
}

const LEFTOVERS: readonly string[] = ['orphan', 'stale-mount'] satisfies LeftoverKind[];

export function isDamage({ kind }: Pick<CheckFinding, 'kind'>): boolean {
  return !LEFTOVERS.includes(kind);
}

type NewFinding = Pick<CheckFinding, 'kind' | 'path' | 'detail'> & Partial<CheckFinding>;

/** A finding whose outcome is not final. */
export type OpenFinding = { -readonly [K in keyof CheckFinding]: CheckFinding[K] };

export function openFinding(finding: NewFinding): OpenFinding {
  const none = { snapshot: undefined, parent: undefined, diffID: undefined, error: undefined };
  return { ...none, outcome: 'found', ...finding };
}

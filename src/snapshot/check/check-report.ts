import type { AbortableOptions } from '../../base/abort.js';
import type { OptionNames } from '../../base/check-arguments.js';
import type { LayerSource } from '../../layer/options.js';
import type { DiffID } from '../../oci/digest.js';

/** How thoroughly a check looks, and what it may change. */
export interface CheckOptions extends AbortableOptions {
  /** Files are looked at and not read: it finds those that are gone, cut short or have other attributes. @default false */
  readonly quick?: boolean | undefined;
  /**
   * Asked once for each damaged snapshot, about the first thing that is wrong with it: its layer, to take from it
   * what is damaged. Of a snapshot whose manifest knows its layer, no other is taken (`diffID`). Record files are
   * written anew without asking.
   *
   * @default nothing is repaired
   */
  readonly repair?:
    | ((finding: CheckFinding) => LayerSource | undefined | Promise<LayerSource | undefined>)
    | undefined;
  /** Free what belongs to no snapshot: orphaned directories. @default false */
  readonly prune?: boolean | undefined;
  /** Change nothing, and say what would be done. @default false */
  readonly dryRun?: boolean | undefined;
}

export const CHECK_OPTIONS = {
  signal: true,
  quick: true,
  repair: true,
  prune: true,
  dryRun: true,
} satisfies OptionNames<CheckOptions>;

/** How far a check has come. */
export interface CheckProgress {
  /** Snapshots that are done, of how many. */
  readonly snapshots: number;
  readonly totalSnapshots: number;
  /** Files, directories and all else that were compared. */
  readonly entries: number;
  /** Bytes of files that were read. */
  readonly bytes: number;
}

/** What is wrong with a snapshot. */
export type DamageKind =
  /** A snapshot's directory, or the tree in it, is gone. */
  | 'missing-directory'
  /** The snapshot that it is on is gone. */
  | 'missing-parent'
  /** A file (or directory …) of its layer is gone. */
  | 'missing'
  /** A file is not what its layer says: in content, attributes or kind. */
  | 'modified'
  /** A file that no layer brought. */
  | 'added'
  /** The manifest is damaged or gone: of the files, nothing is known. */
  | 'manifest'
  /** What the metadata could be rebuilt from is damaged or gone. */
  | 'record-file';

/** What belongs to no snapshot. */
export type LeftoverKind =
  /** A directory that no snapshot has, and nobody is at work on. */
  | 'orphan'
  /** A mount of a snapshot that is gone. It is never unmounted: somebody may be using it. */
  | 'stale-mount';

/** One thing that is wrong, or left over, and what was done about it. */
export interface CheckFinding {
  readonly kind: DamageKind | LeftoverKind;
  /** Key or name of the snapshot that is damaged; undefined for what belongs to none. */
  readonly snapshot: string | undefined;
  readonly parent: string | undefined;
  /** Within the snapshot's tree for `missing`, `modified` and `added` ('' is its root); else on this system. */
  readonly path: string;
  /** A sentence for people. */
  readonly detail: string;
  /** Of the layer that could repair it, where that is known. */
  readonly diffID: DiffID | undefined;
  readonly outcome: 'found' | 'would-repair' | 'repaired' | 'would-prune' | 'pruned' | 'failed';
  /** Why it could not be repaired or pruned. */
  readonly error: unknown;
}

/** What a check has found. */
export interface CheckReport extends CheckProgress {
  readonly findings: readonly CheckFinding[];
  /** Committed snapshots that have no manifest, since their backend lays them out in its own way, or not all of their files could be read: they can't be judged. */
  readonly unverified: readonly string[];
  /** Something is damaged, and was not repaired. */
  readonly damaged: boolean;
}

const LEFTOVERS: readonly string[] = ['orphan', 'stale-mount'] satisfies LeftoverKind[];

export function isDamage({ kind }: Pick<CheckFinding, 'kind'>): boolean {
  return !LEFTOVERS.includes(kind);
}

export type NewFinding = Pick<CheckFinding, 'kind' | 'path' | 'detail'> & Partial<CheckFinding>;

/** A finding whose outcome is still to be said. */
export type OpenFinding = { -readonly [K in keyof CheckFinding]: CheckFinding[K] };

export function openFinding(finding: NewFinding): OpenFinding {
  const none = { snapshot: undefined, parent: undefined, diffID: undefined, error: undefined };
  return { ...none, outcome: 'found', ...finding };
}

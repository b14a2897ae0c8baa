import type { TarEntry } from '../../tar/types.js';
import type { Anomaly } from './anomaly.js';

/** What one entry of a layer means. Paths are clean and relative ('' is the root), without `.` or `..`. */
export type Operation =
  | ({
      readonly op: 'file' | 'directory' | 'symlink' | 'character-device' | 'block-device' | 'fifo';
    } & Placed)
  /** `linkPath` is clean and relative to the root, as `path` is. */
  | ({ readonly op: 'hardlink'; readonly linkPath: string } & Placed)
  /** `path` names what goes from the lower layers. */
  | ({ readonly op: 'whiteout' } & Placed)
  /** `path` names the directory whose lower contents go. */
  | ({ readonly op: 'opaque' } & Placed);

interface Placed {
  readonly path: string;
  /** `path` without its last component. */
  readonly parent: string;
  /** Last component of `path`. */
  readonly name: string;
  readonly entry: TarEntry;
}

/** An operation with what is remarkable about it: what `planLayer` yields. */
export interface PlannedOperation {
  readonly operation: Operation;
  readonly anomalies: readonly Anomaly[];
}

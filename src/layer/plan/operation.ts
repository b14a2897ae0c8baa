import type { TarEntry } from '../../tar/types.js';
import type { Anomaly } from './anomaly.js';

/** The meaning of one entry of a layer. Paths are clean and relative to the root, which is ''. */
export type Operation =
  | ({
      readonly op: 'file' | 'directory' | 'symlink' | 'character-device' | 'block-device' | 'fifo';
    } & Placed)
  /** `linkPath` is clean and relative to the root, like `path`. */
  | ({ readonly op: 'hardlink'; readonly linkPath: string } & Placed)
  /** `path` names what is removed from the lower layers. */
  | ({ readonly op: 'whiteout' } & Placed)
  /** `path` names a directory whose lower contents are removed. */
  | ({ readonly op: 'opaque' } & Placed);

/** The place of an operation in the tree: clean, relative to the root. */
export interface Placed {
  readonly path: string;
  /** `path` without its last component. */
  readonly parent: string;
  /** The last component of `path`. */
  readonly name: string;
  readonly entry: TarEntry;
}

/** An operation and the anomalies of its entry: an event of `planLayer`. */
export interface PlannedOperation {
  readonly operation: Operation;
  readonly anomalies: readonly Anomaly[];
}

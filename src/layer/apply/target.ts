import type { Directory } from '../../rootfs/directory.js';
import type { RootfsEvents } from '../../rootfs/rootfs.js';
import type { Stat } from '../../system/system.js';
import type { Operation } from '../plan/operation.js';

type Placed = Operation & {
  readonly op: 'file' | 'directory' | 'symlink' | 'hardlink' | 'character-device' | 'block-device' | 'fifo';
};

/**
 * The differences between a merged tree and an overlay upperdir: how they keep deletions, and what was there before.
 */
export interface Target {
  whiteout(operation: Operation & { op: 'whiteout' }): void;
  opaque(operation: Operation & { op: 'opaque' }): void;
  /**
   * Frees the name of `operation`, which `existing` has. The caller makes the tree forget paths that led through it,
   * once it no longer needs `parent`.
   *
   * @returns whether this layer had made `existing`
   */
  replace(parent: Directory, operation: Placed, existing: Stat): boolean;
  /** An entry for a directory found a directory. @returns whether this layer had listed it already */
  meetDirectory(parent: Directory, operation: Placed, existing: Stat): boolean;
  /** `operation` was carried out in `parent`. */
  placed(parent: Directory, operation: Placed): void;
  /** `operation` could not be carried out, and its name in `parent` is free. */
  leftOut(parent: Directory, operation: Placed): void;
  /** A hard link's target is not in the tree. @returns whether the target brought it there */
  findLinkTarget(directory: Directory, name: string): boolean;
  /** See `RootfsEvents`. */
  blocked: RootfsEvents['blocked'];
  /** See `RootfsEvents`. */
  implicitDirectory(created: Directory): void;
}

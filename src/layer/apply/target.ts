import type { Directory } from '../../rootfs/directory.js';
import type { RootfsEvents } from '../../rootfs/rootfs.js';
import type { Stat } from '../../system/system.js';
import type { Operation } from '../plan/operation.js';

type Placed = Operation & {
  readonly op: 'file' | 'directory' | 'symlink' | 'hardlink' | 'character-device' | 'block-device' | 'fifo';
};

/** What differs between a merged tree and an overlay upperdir: how deletions are kept, and what was there before. */
export interface Target {
  whiteout(operation: Operation & { op: 'whiteout' }): void;
  opaque(operation: Operation & { op: 'opaque' }): void;
  /**
   * `existing` has the name that `operation` wants: make it free. Paths that led through it are the caller's to
   * forget, once it needs `parent` no more. @returns whether this layer had made it
   */
  replace(parent: Directory, operation: Placed, existing: Stat): boolean;
  /** A directory entry found a directory. @returns whether this layer had listed it already */
  meetDirectory(parent: Directory, operation: Placed, existing: Stat): boolean;
  /** `operation` has been carried out in `parent`. */
  placed(parent: Directory, operation: Placed): void;
  /** `operation` could not be carried out here, and its name in `parent` is free. */
  leftOut(parent: Directory, operation: Placed): void;
  /** A hard link's target is not in the tree. @returns whether it has been brought there */
  findLinkTarget(directory: Directory, name: string): boolean;
  /** See `RootfsEvents`. */
  blocked: RootfsEvents['blocked'];
  /** See `RootfsEvents`. */
  implicitDirectory(created: Directory): void;
}

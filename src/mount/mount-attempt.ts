import type { MountSystem } from '../system/mount-system.js';
import type { Mount } from './mount.js';
import type { MountOptions } from './mount-options.js';

/** The place that a mount is put on. */
export interface MountTarget {
  /** Open with `O_PATH`. */
  readonly descriptor: number;
  /** Its path, symlinks resolved. */
  readonly path: string;
}

/** One mount, while it is made. */
export interface MountAttempt {
  readonly system: MountSystem;
  readonly mount: Mount;
  readonly options: MountOptions;
  readonly target: MountTarget;
  /** Collects the kernel's messages about it. */
  readonly messages: string[];
}

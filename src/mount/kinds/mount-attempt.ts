import type { MountSystem } from '../../system/mount-system.js';
import type { Mount } from '../mount.js';
import type { MountOptions } from '../mount-options.js';
import type { TemporaryPlace } from './temporary-place.js';

/** One mount, while it is made. */
export interface MountAttempt {
  readonly system: MountSystem;
  /** Without templates. */
  readonly mount: Mount;
  readonly options: MountOptions;
  /** Where other mounts that it uses are attached. @default they are attached nowhere */
  readonly place: TemporaryPlace | undefined;
  /** Collects the kernel's messages about it. */
  readonly messages: string[];
}

/** A way to mount. */
export interface MountKind {
  /** Makes it, attached nowhere. @returns its tree @throws SystemError `ENOSYS`: the kernel has only mount(2) */
  makeTree(attempt: MountAttempt): number | Promise<number>;
  /** Mounts onto `target` by mount(2). */
  mountOld(attempt: MountAttempt, target: string): Promise<void>;
}

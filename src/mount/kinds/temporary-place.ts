import type { MountSystem } from '../../system/mount-system.js';
import { AT_FDCWD, O } from '../../system/system.js';
import { makeTemporaryDirectory } from '../temporary-directory.js';

/**
 * A temporary directory on which mounts are attached on top of each other, and found by their descriptors. overlayfs
 * before Linux 6.15 does not take layers that are attached nowhere.
 */
export interface TemporaryPlace {
  attach(tree: number): void;
}

/** @param use nothing is attached any more when it has returned or failed */
export async function withTemporaryPlace<T>(
  system: MountSystem,
  use: (place: TemporaryPlace) => Promise<T>,
): Promise<T> {
  using directory = await makeTemporaryDirectory(system);
  const { mountPoint } = directory;
  let mounted = 0;
  try {
    const descriptor = system.openAt(AT_FDCWD, mountPoint, O.PATH, 0);
    try {
      return await use({
        attach(tree) {
          // Otherwise the mounts on top of it would propagate to other namespaces.
          system.changeMount(tree, { private: true }, { recursive: false });
          system.attach(tree, descriptor);
          mounted++;
        },
      });
    } finally {
      system.close(descriptor);
    }
  } finally {
    for (; mounted > 0; mounted--) await system.unmount(mountPoint, { lazy: true });
  }
}

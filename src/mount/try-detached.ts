import { close } from 'node:fs';
import { openLinuxMountSystem } from '../system/linux-mount.js';
import type { MountSystem } from '../system/mount-system.js';
import { SystemError } from '../system/system.js';
import { mountOnto } from './mount-onto.js';
import type { OverlaySupport } from './overlay-support.js';
import { tryOverlay } from './try-overlay.js';

/**
 * Tries overlayfs with mounts that are attached nowhere: nobody else sees them, and they are gone when their descriptors
 * are closed, which may be a moment after this has returned. Kernels before 6.15 can't do all of it so.
 */
export async function tryDetached(scratch: string): Promise<OverlaySupport> {
  const linux = openLinuxMountSystem();
  const opened: number[] = [];
  let last: number | undefined;
  const detached: MountSystem = {
    ...linux,
    attach: (tree) => {
      last = tree;
    },
    close: (descriptor) => void opened.push(descriptor),
    mount: ({ target }) => {
      throw new SystemError('ENOSYS', 'mount', target); // it always attaches
    },
    unmount: async () => {},
  };
  try {
    return await tryOverlay(detached, scratch, async (mount, target) => {
      await mountOnto(detached, [mount], target);
      return `/proc/self/fd/${last}`;
    });
  } finally {
    // Away from this thread, and nobody waits for it: the kernel does, for all processors, 2 to 10 ms a mount.
    for (const descriptor of opened) close(descriptor, () => {});
  }
}

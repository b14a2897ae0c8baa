import type { MountSystem } from '../system/mount-system.js';

let opened: Promise<MountSystem> | undefined;

/** Late: whoever mounts nothing need not wait for koffi to load. */
export function openMountSystem(): Promise<MountSystem> {
  opened ??= import('../system/linux-mount.js').then(({ openLinuxMountSystem }) => openLinuxMountSystem());
  return opened;
}

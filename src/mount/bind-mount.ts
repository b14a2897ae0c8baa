import { MOUNT_ATTRIBUTE, MS } from '../system/mount-system.js';
import { readMountInfo, topMount } from '../system/mountinfo.js';
import { SystemError } from '../system/system.js';
import { mapOwners } from './idmapped.js';
import type { MountAttempt } from './mount-attempt.js';
import { mountAttributes, mountFlags, parseMountOptions } from './mount-options.js';

/**
 * Shows a directory at a second place. Nothing that is mounted or unmounted there later shows at the source: to
 * take the one apart must never reach the other.
 */
export function bindMount({ system, mount, options, target }: MountAttempt): void {
  const tree = system.cloneTree(mount.source, { recursive: options.bind === 'rbind' });
  try {
    const everywhere = options.recursiveReadOnly ? MOUNT_ATTRIBUTE.RDONLY : 0;
    system.changeMount(tree, { private: true, set: everywhere }, { recursive: true });
    system.changeMount(tree, mountAttributes(options), { recursive: false });
    mapOwners(system, tree, options.idMap);
    system.attach(tree, target.descriptor);
  } finally {
    system.close(tree);
  }
}

/** With mount(2), which makes the mount first and what it should be after. */
export async function bindMountOld({ system, mount, options, target }: MountAttempt): Promise<void> {
  const { path } = target;
  if (options.recursiveReadOnly || options.idMap !== undefined)
    throw new SystemError('ENOSYS', 'mount_setattr', path);
  const recursive = options.bind === 'rbind' ? MS.REC : 0;
  const change = (flags: number) => system.mount({ source: '', target: path, type: '', flags, data: '' });
  system.mount({ source: mount.source, target: path, type: '', flags: MS.BIND | recursive, data: '' });
  try {
    change(MS.PRIVATE | MS.REC);
    // A remount takes away what it does not name, and in a user namespace that is refused.
    const present = topMount(readMountInfo(), path)?.options ?? [];
    const kept = mountFlags(parseMountOptions('', present));
    if (options.flags.size > 0) change(MS.BIND | MS.REMOUNT | kept | mountFlags(options));
  } catch (error) {
    await system.unmount(path, { lazy: true });
    throw error;
  }
}

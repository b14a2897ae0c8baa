import { MOUNT_ATTRIBUTE, MS } from '../system/mount-system.js';
import { readMountInfo, topMount } from '../system/mountinfo.js';
import { SystemError } from '../system/system.js';
import { mapOwners } from './idmapped.js';
import type { MountAttempt } from './mount-attempt.js';
import { mountAttributes, mountFlags, parseMountOptions } from './mount-options.js';

/**
 * Shows a directory at a second place. The mount is private: a later mount or unmount there does not reach the
 * source.
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

/** Uses mount(2), which makes the mount first and changes it afterwards. */
export async function bindMountOld({ system, mount, options, target }: MountAttempt): Promise<void> {
  const { path } = target;
  if (options.recursiveReadOnly || options.idMap !== undefined)
    throw new SystemError('ENOSYS', 'mount_setattr', path);
  const recursive = options.bind === 'rbind' ? MS.REC : 0;
  const change = (flags: number) => system.mount({ source: '', target: path, type: '', flags, data: '' });
  system.mount({ source: mount.source, target: path, type: '', flags: MS.BIND | recursive, data: '' });
  try {
    change(MS.PRIVATE | MS.REC);
    // A remount clears the flags that it does not name. A user namespace may not clear them.
    const present = topMount(readMountInfo(), path)?.options ?? [];
    const kept = mountFlags(parseMountOptions('', present));
    if (options.flags.size > 0) change(MS.BIND | MS.REMOUNT | kept | mountFlags(options));
  } catch (error) {
    await system.unmount(path, { lazy: true });
    throw error;
  }
}

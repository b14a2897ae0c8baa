import { MOUNT_ATTRIBUTE, MS } from '../../system/mount-system.js';
import { readMountInfo, topMount } from '../../system/mountinfo.js';
import { SystemError } from '../../system/system.js';
import { mountAttributes, mountFlags, parseMountOptions } from '../mount-options.js';
import { mapOwners } from './idmapped.js';
import type { MountKind } from './mount-attempt.js';

/**
 * A directory at a second place. The mount is private: a later mount or unmount there does not reach the source.
 */
export const BIND: MountKind = {
  makeTree({ system, mount, options }) {
    const tree = system.cloneTree(mount.source, { recursive: options.bind === 'rbind' });
    try {
      const everywhere = options.recursiveReadOnly ? MOUNT_ATTRIBUTE.RDONLY : 0;
      system.changeMount(tree, { private: true, set: everywhere }, { recursive: true });
      system.changeMount(tree, mountAttributes(options), { recursive: false });
      mapOwners(system, tree, options.idMap);
      return tree;
    } catch (error) {
      system.close(tree);
      throw error;
    }
  },

  /** Makes the mount first and changes it afterwards. */
  async mountOld({ system, mount, options }, path) {
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
  },
};

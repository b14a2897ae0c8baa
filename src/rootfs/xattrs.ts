import { isErrno, type System } from '../system/system.js';
import { OVERLAY_PREFIXES } from './lower-layers.js';

export const ACCESS_ACL = 'system.posix_acl_access';
/** New files in a directory inherit it, so it is set last. */
export const DEFAULT_ACL = 'system.posix_acl_default';

/** Attributes of the host's policy, which an image may not set. */
const HOST = ['security.selinux', 'system.nfs4_acl'];

/**
 * The name on disk of an image's attribute; undefined when it is not stored. Attributes of overlayfs are escaped as the
 * kernel does for nested mounts (overlayfs.rst, "Nesting overlayfs mounts"), so that an image can't forge a whiteout or an
 * opaque mark.
 */
export function storedXattrName(name: string): string | undefined {
  if (HOST.includes(name)) return undefined;
  for (const prefix of OVERLAY_PREFIXES)
    if (name.startsWith(prefix)) return `${prefix}overlay.${name.slice(prefix.length)}`;
  return name;
}

/** Whether it is a mark of overlayfs on this host, and not an attribute of the image. */
export function isMark(name: string): boolean {
  return OVERLAY_PREFIXES.some((prefix) => name.startsWith(prefix) && !name.startsWith(`${prefix}overlay.`));
}

/** Whether it is an attribute of the image: neither a mark nor one of the host's policy. */
export function isOfImage(name: string): boolean {
  return !isMark(name) && !HOST.includes(name);
}

/** Reverses `storedXattrName`; undefined when it is not an attribute of the image. */
export function imageXattrName(name: string): string | undefined {
  if (!isOfImage(name)) return undefined;
  for (const prefix of OVERLAY_PREFIXES)
    if (name.startsWith(prefix)) return `${prefix}${name.slice(`${prefix}overlay.`.length)}`;
  return name;
}

/** Removes the attributes of an image, but not marks and the host's. */
export function clearXattrs(system: System, descriptor: number): void {
  for (const name of system.listXattrs(descriptor)) {
    if (!isOfImage(name)) continue;
    try {
      system.removeXattr(descriptor, name);
    } catch (error) {
      if (!isErrno(error, 'ENODATA', 'ENOTSUP', 'EOPNOTSUPP', 'EPERM', 'EACCES')) throw error;
    }
  }
}

import { isErrno, type System } from '../system/system.js';
import { OVERLAY_PREFIXES } from './lower-layers.js';

/** Children made inside a directory inherit this one, so it comes last. */
export const DEFAULT_ACL = 'system.posix_acl_default';

/** What the host's own policy gives each file; not the image's to say. */
const HOST = ['security.selinux', 'system.nfs4_acl'];

/**
 * The name an image's attribute gets on disk; undefined when it is not to be stored. overlayfs's own ones are
 * escaped as the kernel does it for nested mounts (overlayfs.rst, "Nesting overlayfs mounts"), so that an image
 * can't forge a whiteout or an opaque mark.
 */
export function storedXattrName(name: string): string | undefined {
  if (HOST.includes(name)) return undefined;
  for (const prefix of OVERLAY_PREFIXES)
    if (name.startsWith(prefix)) return `${prefix}overlay.${name.slice(prefix.length)}`;
  return name;
}

/** Our own marks: not part of what the image says of a directory. */
export function isMark(name: string): boolean {
  return OVERLAY_PREFIXES.some((prefix) => name.startsWith(prefix) && !name.startsWith(`${prefix}overlay.`));
}

/** What an image may say of a file: no mark of ours, and none of the host's policy. */
export function isOfImage(name: string): boolean {
  return !isMark(name) && !HOST.includes(name);
}

/** The name in a layer of what has this name on the disk, as `storedXattrName` gave it; undefined for what is not the image's. */
export function imageXattrName(name: string): string | undefined {
  if (!isOfImage(name)) return undefined;
  for (const prefix of OVERLAY_PREFIXES)
    if (name.startsWith(prefix)) return `${prefix}${name.slice(`${prefix}overlay.`.length)}`;
  return name;
}

/** Removes what an image may have set, and leaves marks and the host's. */
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

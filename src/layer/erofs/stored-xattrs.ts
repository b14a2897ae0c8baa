import { OverlayerError } from '../../base/errors.js';
import { displayPath } from '../../base/path-bytes.js';
import { isStorable } from '../../erofs/xattrs.js';
import { ACCESS_ACL, DEFAULT_ACL, storedXattrName } from '../../rootfs/xattrs.js';
import type { TarEntry } from '../../tar/types.js';
import { aclWithMode, storedAcl } from './acl.js';

/** Prefixes of attributes that a file system on disk takes (Linux, fs/xattr.c, and the security module's). */
const PREFIXES = ['user.', 'trusted.', 'security.'];
/** Of a name, with its prefix (XATTR_NAME_MAX). */
const MAX_NAME_BYTES = 255;

/**
 * The attributes of an entry as the kernel would store them on disk: in the names of `storedXattrName`, without those
 * that it does not take there.
 *
 * @param skipped called with the name of each attribute that is left out
 * @throws OverlayerError `InvalidArgument`, `PermissionDenied`: the kernel refuses the attribute
 */
export function storedXattrs(
  entry: TarEntry,
  skipped: (name: string) => void,
): ReadonlyMap<string, Uint8Array> | undefined {
  if (entry.xattrs === undefined) return undefined;
  const stored = new Map<string, Uint8Array>();
  for (const [name, value] of entry.xattrs) {
    const storedName = storedXattrName(name);
    if (storedName === undefined) continue; // the plan has reported it
    const storedValue = storedForm(storedName, value, entry);
    if (storedValue === 'skipped') skipped(name);
    else if (storedValue !== undefined) stored.set(storedName, storedValue);
  }
  return stored;
}

function storedForm(name: string, value: Uint8Array, entry: TarEntry): Uint8Array | 'skipped' | undefined {
  const { type, mode } = entry;
  if (name === ACCESS_ACL || name === DEFAULT_ACL) {
    if (type === 'symlink') return 'skipped';
    if (name === DEFAULT_ACL && type !== 'directory') {
      if (value.length === 0) return undefined;
      throw new OverlayerError('PermissionDenied', `only a directory can have the attribute ${name}`);
    }
    return aclOf(name, value, mode);
  }
  const prefix = PREFIXES.find((known) => name.startsWith(known));
  if (prefix === undefined) return 'skipped';
  // xattr(7): user attributes are for regular files and directories only.
  if (prefix === 'user.' && type !== 'file' && type !== 'directory') return 'skipped';
  if (name === prefix) throw refused(name, 'its name ends after the prefix');
  if (Buffer.byteLength(name) > MAX_NAME_BYTES)
    throw refused(name, `its name has more than ${MAX_NAME_BYTES} bytes`);
  if (!isStorable(name, value.length))
    throw refused(name, `its value has ${value.length} bytes, and EROFS stores 65535`);
  return value;
}

function aclOf(name: string, value: Uint8Array, mode: number): Uint8Array | 'skipped' | undefined {
  try {
    const acl = storedAcl(name, value);
    if (acl === 'unsupported') return 'skipped';
    return acl === undefined || name === DEFAULT_ACL ? acl : aclWithMode(acl, mode);
  } catch (error) {
    if (error instanceof RangeError) throw refused(name, error.message);
    throw error;
  }
}

function refused(name: string, reason: string): OverlayerError {
  return new OverlayerError(
    'InvalidArgument',
    `the attribute "${displayPath(name)}" can't be stored: ${reason}`,
  );
}

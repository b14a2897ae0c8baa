import { ACCESS_ACL } from '../../rootfs/xattrs.js';
import { ACL_ENTRY_BYTES, ACL_HEADER_BYTES, ACL_TAG } from '../apply/acl-format.js';

/** The only version that the kernel knows. */
const VERSION = 2;
/** The id of an entry that has none. */
const NO_ID = 0xffffffff;

/**
 * An access control list as the kernel stores it (posix_acl_from_xattr, posix_acl_valid; Linux, fs/posix_acl.c).
 *
 * @returns undefined when it says no more than a mode, and is not stored; `unsupported` for an unknown version
 * @throws RangeError when the kernel refuses it
 */
export function storedAcl(name: string, value: Uint8Array): Buffer | 'unsupported' | undefined {
  if (value.length === 0) return undefined;
  if (value.length < ACL_HEADER_BYTES) throw new RangeError('it is too short');
  const acl = Buffer.from(value);
  if (acl.readUInt32LE(0) !== VERSION) return 'unsupported';
  if ((acl.length - ACL_HEADER_BYTES) % ACL_ENTRY_BYTES !== 0)
    throw new RangeError('its last entry is cut off');
  if (acl.length === ACL_HEADER_BYTES) return undefined;
  const isMinimal = checkEntries(acl);
  return isMinimal && name === ACCESS_ACL ? undefined : acl;
}

/** Checks the order and the values of the entries. @returns whether they say no more than a mode */
function checkEntries(acl: Buffer): boolean {
  /** Tags that may follow. Each is larger than the ones before, except that users and groups repeat. */
  let allowed: number = ACL_TAG.userObject;
  let needsMask = false;
  let hasMask = false;
  for (let at = ACL_HEADER_BYTES; at < acl.length; at += ACL_ENTRY_BYTES) {
    const tag = acl.readUInt16LE(at);
    if ((tag & (tag - 1)) !== 0 || (tag & allowed) === 0)
      throw new RangeError('its entries are not in order');
    if (acl.readUInt16LE(at + 2) > 7) throw new RangeError('an entry has unknown permissions');
    const isNamed = tag === ACL_TAG.user || tag === ACL_TAG.group;
    if (isNamed && acl.readUInt32LE(at + 4) === NO_ID) throw new RangeError('an entry has no valid id');
    if (!isNamed) acl.writeUInt32LE(NO_ID, at + 4);
    needsMask ||= isNamed;
    hasMask ||= tag === ACL_TAG.mask;
    allowed = following(tag);
  }
  if (allowed !== 0 || (needsMask && !hasMask)) throw new RangeError('an entry is missing');
  return !hasMask;
}

function following(tag: number): number {
  switch (tag) {
    case ACL_TAG.userObject:
    case ACL_TAG.user:
      return ACL_TAG.user | ACL_TAG.groupObject;
    case ACL_TAG.groupObject:
    case ACL_TAG.group:
      return ACL_TAG.group | ACL_TAG.mask | ACL_TAG.other;
    case ACL_TAG.mask:
      return ACL_TAG.other;
    default:
      return 0;
  }
}

/** The list of a file whose mode is set after it, as chmod(2) changes it. @param acl from `storedAcl` */
export function aclWithMode(acl: Buffer, mode: number): Buffer {
  let group = -1;
  let mask = -1;
  for (let at = ACL_HEADER_BYTES; at < acl.length; at += ACL_ENTRY_BYTES) {
    const tag = acl.readUInt16LE(at);
    if (tag === ACL_TAG.userObject) acl.writeUInt16LE((mode >> 6) & 7, at + 2);
    else if (tag === ACL_TAG.other) acl.writeUInt16LE(mode & 7, at + 2);
    else if (tag === ACL_TAG.groupObject) group = at;
    else if (tag === ACL_TAG.mask) mask = at;
  }
  acl.writeUInt16LE((mode >> 3) & 7, (mask < 0 ? group : mask) + 2);
  return acl;
}

import { OverlayerError } from '../../base/errors.js';
import type { TarEntry } from '../../tar/types.js';
import { CAPABILITY, withHostRoot } from './capability.js';

/** So many ids of a container, and what they are on the host. */
export interface IdRange {
  readonly container: number;
  readonly host: number;
  readonly size: number;
}

/** Which ids of the host stand for those of a container. */
export interface OwnerMap {
  readonly uids: readonly IdRange[];
  readonly gids: readonly IdRange[];
}

/** Linux, include/uapi/linux/posix_acl_xattr.h: a header of 4 bytes, then tag, permissions and id of 2, 2 and 4. */
const ACLS = ['system.posix_acl_access', 'system.posix_acl_default'];
const ACL_HEADER_BYTES = 4;
const ACL_ENTRY_BYTES = 8;
const ACL_USER = 0x02;
const ACL_GROUP = 0x08;

/**
 * The entry as it is for the host when a process in the user namespace unpacks it: owner, and the ids in its access
 * control lists and capabilities, are those of the host.
 *
 * @throws OverlayerError `InvalidArgument`: an id that the map leaves out
 */
export function shiftOwners(entry: TarEntry, map: OwnerMap): TarEntry {
  return {
    ...entry,
    uid: hostUid(map, entry.uid),
    gid: hostGid(map, entry.gid),
    xattrs:
      entry.xattrs && new Map([...entry.xattrs].map(([name, value]) => [name, shiftXattr(name, value, map)])),
  };
}

/** Who is root in the image, on this host. */
export function imageRoot(map: OwnerMap | undefined): { readonly uid: number; readonly gid: number } {
  return map === undefined ? { uid: 0, gid: 0 } : { uid: hostUid(map, 0), gid: hostGid(map, 0) };
}

function hostUid(map: OwnerMap, id: number): number {
  return hostID('user', map.uids, id);
}

function hostGid(map: OwnerMap, id: number): number {
  return hostID('group', map.gids, id);
}

function hostID(kind: string, ranges: readonly IdRange[], id: number): number {
  const range = ranges.find(({ container, size }) => id >= container && id < container + size);
  if (range !== undefined) return range.host + (id - range.container);
  throw new OverlayerError('InvalidArgument', `${kind} id ${id} is not mapped to any of the host`, {
    hint: 'map as many ids as the image uses: 65536 is usual',
  });
}

function shiftXattr(name: string, value: Uint8Array, map: OwnerMap): Uint8Array {
  if (name === CAPABILITY) return withHostRoot(value, (id) => hostUid(map, id));
  return ACLS.includes(name) ? shiftAcl(value, map) : value;
}

function shiftAcl(value: Uint8Array, map: OwnerMap): Uint8Array {
  const shifted = Buffer.from(value);
  for (let at = ACL_HEADER_BYTES; at + ACL_ENTRY_BYTES <= shifted.length; at += ACL_ENTRY_BYTES) {
    const tag = shifted.readUInt16LE(at);
    const id = shifted.readUInt32LE(at + 4);
    if (tag === ACL_USER) shifted.writeUInt32LE(hostUid(map, id), at + 4);
    if (tag === ACL_GROUP) shifted.writeUInt32LE(hostGid(map, id), at + 4);
  }
  return shifted;
}

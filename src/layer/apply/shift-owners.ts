import { OverlayerError } from '../../base/errors.js';
import { ACCESS_ACL, DEFAULT_ACL } from '../../rootfs/xattrs.js';
import type { TarEntry } from '../../tar/types.js';
import { ACL_ENTRY_BYTES, ACL_HEADER_BYTES, ACL_TAG } from './acl-format.js';
import { CAPABILITY, withHostRoot } from './capability.js';

/** A range of a container's ids, and the ids of the host that it is mapped to. */
export interface IdRange {
  readonly container: number;
  readonly host: number;
  readonly size: number;
}

/** Maps the ids of a container to ids of the host. */
export interface OwnerMap {
  readonly uids: readonly IdRange[];
  readonly gids: readonly IdRange[];
}

const ACLS: readonly string[] = [ACCESS_ACL, DEFAULT_ACL];

/**
 * Maps an entry to the host, as if a process in the user namespace unpacked it: its owner, and the ids in its access
 * control lists and capabilities.
 *
 * @throws OverlayerError `InvalidArgument` for an id that is not mapped
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

/** The image's root on this host. */
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
  throw new OverlayerError('InvalidArgument', `${kind} id ${id} is not mapped to an id of the host`, {
    hint: 'map all ids that the image uses: 65536 is usual',
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
    if (tag === ACL_TAG.user) shifted.writeUInt32LE(hostUid(map, id), at + 4);
    if (tag === ACL_TAG.group) shifted.writeUInt32LE(hostGid(map, id), at + 4);
  }
  return shifted;
}

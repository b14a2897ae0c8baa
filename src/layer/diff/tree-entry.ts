import { statId } from '../../rootfs/directory.js';
import { isWhiteoutDevice } from '../../rootfs/lower-layers.js';
import { nodeType } from '../../rootfs/node-type.js';
import type { WalkedEntry } from '../../rootfs/trees/walk-tree.js';
import { imageXattrName } from '../../rootfs/xattrs.js';
import type { System } from '../../system/system.js';
import type { TarHeader } from '../../tar/header-encoder.js';
import { CAPABILITY, withoutHostRoot } from '../apply/capability.js';

/**
 * Something in a tree, and how a layer would list it. A socket is none: no layer can hold it. Nor is a device 0:0: to
 * overlayfs it would be a whiteout.
 */
export interface TreeEntry {
  readonly walked: WalkedEntry;
  readonly header: TarHeader;
}

/** @param xattrs their names on the disk @returns undefined for what no layer is to list */
export function describeTreeEntry(
  system: System,
  walked: WalkedEntry,
  xattrs: readonly string[] = system.listXattrsAt(walked.parent, walked.name),
): TreeEntry | undefined {
  const { path, parent, name, stat } = walked;
  const type = nodeType(stat);
  if (type === 'socket' || isWhiteoutDevice(stat)) return undefined;
  const header: TarHeader = {
    path: type === 'directory' ? `${path === '' ? '.' : path}/` : path,
    type,
    size: type === 'file' ? stat.size : 0,
    mode: stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
    mtimeSec: stat.mtimeSec,
    mtimeNsec: stat.mtimeNsec,
    linkPath: type === 'symlink' ? system.readLink(parent, name) : '',
    devMajor: stat.rdevMajor,
    devMinor: stat.rdevMinor,
    xattrs: xattrs.length === 0 ? undefined : readXattrs(system, walked, xattrs),
  };
  return { walked, header };
}

/** Those that an image may have, as they are in a layer. */
function readXattrs(
  system: System,
  { parent, name }: WalkedEntry,
  stored: readonly string[],
): ReadonlyMap<string, Uint8Array> {
  const xattrs = new Map<string, Uint8Array>();
  for (const each of stored) {
    const imageName = imageXattrName(each);
    const value = imageName === undefined ? undefined : system.getXattrAt(parent, name, each);
    if (imageName === undefined || value === undefined) continue;
    xattrs.set(imageName, imageName === CAPABILITY ? withoutHostRoot(value) : value);
  }
  return xattrs;
}

/** Whether two trees have the same at one path, which both have, as far as can be told without reading a file. */
export function isListedAlike(a: TreeEntry, b: TreeEntry): boolean {
  if (statId(a.walked.stat) === statId(b.walked.stat)) return true;
  const { path: _, xattrs: some, ...fields } = a.header;
  const { xattrs: others, ...otherFields } = b.header;
  const isAlike = (Object.keys(fields) as (keyof typeof fields)[]).every(
    (field) => fields[field] === otherFields[field],
  );
  return isAlike && haveSameXattrs(some, others);
}

function haveSameXattrs(a: TarHeader['xattrs'] = new Map(), b: TarHeader['xattrs'] = new Map()): boolean {
  return (
    a.size === b.size &&
    [...a].every(([name, value]) => {
      const other = b.get(name);
      return other !== undefined && Buffer.compare(value, other) === 0;
    })
  );
}

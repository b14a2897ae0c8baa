import { statId, withChild } from '../../rootfs/directory.js';
import { isWhiteoutDevice } from '../../rootfs/lower-layers.js';
import { nodeType } from '../../rootfs/node-type.js';
import type { WalkedEntry } from '../../rootfs/trees/walk-tree.js';
import { imageXattrName } from '../../rootfs/xattrs.js';
import { toOverlayerError } from '../../system/errno-code.js';
import { O, type System } from '../../system/system.js';
import type { TarHeader } from '../../tar/header-encoder.js';
import { CAPABILITY, withoutHostRoot } from '../apply/capability.js';

const BUFFER_BYTES = 256 * 1024;

/**
 * An entry of a tree, and its header in a layer. Sockets have none, since no layer can hold them; devices 0:0 have
 * none, since overlayfs would take them for whiteouts.
 */
export interface TreeEntry {
  readonly walked: WalkedEntry;
  readonly header: TarHeader;
}

/**
 * @param xattrs names of its extended attributes on disk
 * @returns undefined for an entry that no layer can hold
 */
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

function readXattrs(
  system: System,
  { parent, name }: WalkedEntry,
  stored: readonly string[],
): ReadonlyMap<string, Uint8Array> {
  const values = new Map<string, Uint8Array>();
  for (const each of stored) {
    const value = imageXattrName(each) === undefined ? undefined : system.getXattrAt(parent, name, each);
    if (value !== undefined) values.set(each, value);
  }
  return imageXattrs(values);
}

/** The attributes that an image may have, under their names in a layer. */
export function imageXattrs(stored: ReadonlyMap<string, Uint8Array>): ReadonlyMap<string, Uint8Array> {
  const xattrs = new Map<string, Uint8Array>();
  for (const [name, value] of stored) {
    const imageName = imageXattrName(name);
    if (imageName !== undefined)
      xattrs.set(imageName, imageName === CAPABILITY ? withoutHostRoot(value) : value);
  }
  return xattrs;
}

/** Whether both trees have the same entry, as far as one can tell without reading files. */
export function isListedAlike(a: TreeEntry, b: TreeEntry): boolean {
  if (statId(a.walked.stat) === statId(b.walked.stat)) return true;
  const { path: _, xattrs: some, ...fields } = a.header;
  const { xattrs: others, ...otherFields } = b.header;
  const isAlike = (Object.keys(fields) as (keyof typeof fields)[]).every(
    (field) => fields[field] === otherFields[field],
  );
  return isAlike && haveSameXattrs(some, others);
}

export function haveSameXattrs(
  a: TarHeader['xattrs'] = new Map(),
  b: TarHeader['xattrs'] = new Map(),
): boolean {
  return (
    a.size === b.size &&
    [...a].every(([name, value]) => {
      const other = b.get(name);
      return other !== undefined && Buffer.compare(value, other) === 0;
    })
  );
}

/**
 * Whether two files that are listed alike have the same content. They are read only if their modification time has no
 * fraction of a second: times that were set from an archive have none, and two files may well agree in them.
 */
export function haveSameContent(system: System, a: TreeEntry, b: TreeEntry): boolean {
  const { type, size, mtimeNsec } = a.header;
  if (type !== 'file' || size === 0 || mtimeNsec !== 0) return true;
  if (statId(a.walked.stat) === statId(b.walked.stat)) return true;
  return withFile(system, a, (one) => withFile(system, b, (other) => readSame(system, one, other, size)));
}

function withFile<T>(system: System, { walked: { parent, name } }: TreeEntry, use: (file: number) => T): T {
  return withChild(system, parent, name, O.RDONLY | O.NONBLOCK, use);
}

/** Compares two files of one size. Holes of both are skipped. */
function readSame(system: System, one: number, other: number, size: number): boolean {
  const buffers = [Buffer.allocUnsafe(BUFFER_BYTES), Buffer.allocUnsafe(BUFFER_BYTES)] as const;
  for (let position = 0; position < size; ) {
    const [start, otherStart] = [one, other].map((file) => system.seekData(file, position) ?? size);
    position = Math.min(start!, otherStart!);
    if (position >= size) return true;
    const end = Math.min(system.seekHole(position === start ? one : other, position), size);
    for (; position < end; position += BUFFER_BYTES) {
      const wanted = Math.min(BUFFER_BYTES, end - position);
      const left = fill(system, one, buffers[0], position, wanted);
      const right = fill(system, other, buffers[1], position, wanted);
      if (Buffer.compare(left, right) !== 0) return false;
    }
    position = end;
  }
  return true;
}

function fill(system: System, file: number, buffer: Buffer, position: number, wanted: number): Buffer {
  const address = system.address(buffer);
  let filled = 0;
  while (filled < wanted) {
    const length = system.readAt(file, address + filled, wanted - filled, position + filled);
    if (length === 0) break;
    filled += length;
  }
  return buffer.subarray(0, filled);
}

/** Runs `work` on the entry at `path` of a tree. Errors of the kernel name the path. */
export function reading<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw toOverlayerError(error, { inTree: path === '' ? '.' : path });
  }
}

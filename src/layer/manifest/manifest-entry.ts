import { crc32 } from 'node:zlib';
import { encodePath } from '../../base/path-bytes.js';
import { statId } from '../../rootfs/directory.js';
import { isOpaqueAt, isWhiteout } from '../../rootfs/lower-layers.js';
import { nodeType } from '../../rootfs/node-type.js';
import type { WalkedEntry } from '../../rootfs/trees/walk-tree.js';
import { isOfImage } from '../../rootfs/xattrs.js';
import { isErrno, S, type System } from '../../system/system.js';

export type ManifestType =
  | 'file'
  | 'directory'
  /** A directory that hides what lower layers have in it. */
  | 'opaque'
  | 'symlink'
  /** A further name of a file, device or symlink that came before. */
  | 'hardlink'
  | 'character-device'
  | 'block-device'
  | 'fifo'
  | 'socket'
  /** Hides what lower layers have by that name. */
  | 'whiteout';

/** What a layer leaves at one path. */
export interface ManifestEntry {
  /** Relative to the root, which is ''; a name that is no UTF-8 as in `base/path-bytes.ts`. */
  readonly path: string;
  readonly type: ManifestType;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  /** Bytes of a file's content; 0 for all else. */
  readonly size: number;
  /** Target of a symlink; of a hard link the path that came before; of a device `major:minor`. */
  readonly link: string | undefined;
  /** Of a file's content (CRC-32): it tells damage, not an attack. Undefined where it was not asked for. */
  readonly checksum: number | undefined;
  /** Of the extended attributes (`xattrsChecksum`); undefined in a manifest that does not know of them. */
  readonly xattrs: number | undefined;
}

/** @returns the checksum of a file's content */
export type ChecksumOf = (entry: WalkedEntry) => number | undefined;

/** Describes the entries of a walk. One object for each walk, since it remembers hard links. */
export class EntryDescriber {
  readonly #system: System;
  readonly #names = new Map<string, string>();

  constructor(system: System) {
    this.#system = system;
  }

  describe(walked: WalkedEntry, checksumOf: ChecksumOf): ManifestEntry {
    const { path, parent, name, stat } = walked;
    // Most have none: whoever has none is neither opaque nor marked as a whiteout, which takes four calls less to see.
    const xattrs = this.#system.listXattrsAt(parent, name);
    const type = this.#typeOf(walked, xattrs.length > 0);
    const isFile = type === 'file';
    return {
      path,
      type,
      mode: stat.mode & 0o7777,
      uid: stat.uid,
      gid: stat.gid,
      mtimeSec: stat.mtimeSec,
      mtimeNsec: stat.mtimeNsec,
      size: isFile ? stat.size : 0,
      link: this.#linkOf(walked, type),
      checksum: isFile ? checksumOf(walked) : undefined,
      xattrs: type === 'hardlink' ? 0 : xattrsChecksum(this.#system, parent, name, xattrs),
    };
  }

  #typeOf(walked: WalkedEntry, hasXattrs: boolean): ManifestType {
    const { parent, name, stat } = walked;
    const type = stat.mode & S.IFMT;
    if (type === S.IFDIR) return hasXattrs && isOpaqueAt(this.#system, parent, name) ? 'opaque' : 'directory';
    if ((hasXattrs || type === S.IFCHR) && isWhiteout(this.#system, parent, name, stat)) return 'whiteout';
    if (this.#firstName(walked) !== walked.path) return 'hardlink';
    return nodeType(stat);
  }

  #firstName({ path, stat }: WalkedEntry): string {
    if (stat.nlink < 2) return path;
    const id = statId(stat);
    const first = this.#names.get(id);
    if (first === undefined) this.#names.set(id, path);
    return first ?? path;
  }

  #linkOf(walked: WalkedEntry, type: ManifestType): string | undefined {
    const { parent, name, stat } = walked;
    if (type === 'symlink') return this.#system.readLink(parent, name);
    if (type === 'hardlink') return this.#firstName(walked);
    const isDevice = type === 'character-device' || type === 'block-device';
    return isDevice ? `${stat.rdevMajor}:${stat.rdevMinor}` : undefined;
  }
}

/**
 * Of the extended attributes `names` of a name in an open directory (CRC-32), in their order; 0 where it has none.
 * Those that the host gives to files and takes from them are not among them.
 */
function xattrsChecksum(system: System, directory: number, file: string, names: readonly string[]): number {
  if (names.length === 0) return 0;
  let checksum = 0;
  for (const name of names.filter(isOfImage).sort()) {
    const value = readValue(system, directory, file, name);
    checksum = crc32(value, crc32(encodePath(`${name}\0${value.length}\0`), checksum));
  }
  return checksum;
}

function readValue(system: System, directory: number, file: string, name: string): Uint8Array {
  try {
    return system.getXattrAt(directory, file, name) ?? new Uint8Array(0);
  } catch (error) {
    // A file that refuses even its owner shows the names.
    if (isErrno(error, 'EACCES')) return new Uint8Array(0);
    throw error;
  }
}

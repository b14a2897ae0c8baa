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
  /** A directory that hides its contents of lower layers. */
  | 'opaque'
  | 'symlink'
  /** Another name of a file, device or symlink that came before. */
  | 'hardlink'
  | 'character-device'
  | 'block-device'
  | 'fifo'
  | 'socket'
  /** Hides the entry of that name in lower layers. */
  | 'whiteout';

/** One path of a layer, as it is on disk. */
export interface ManifestEntry {
  /** Relative to the root, which is ''. Bytes that are not UTF-8 are encoded as in `base/path-bytes.ts`. */
  readonly path: string;
  readonly type: ManifestType;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  /** Bytes of a file's content; 0 for all other types. */
  readonly size: number;
  /** The target of a symlink; for a hard link the path that came before; for a device `major:minor`. */
  readonly link: string | undefined;
  /** CRC-32 of a file's content, which detects damage but no attack. Undefined when it was not computed. */
  readonly checksum: number | undefined;
  /** Checksum of the extended attributes (`xattrsChecksum`); undefined in a manifest of version 1. */
  readonly xattrs: number | undefined;
}

/** @returns the checksum of a file's content */
type ChecksumOf = (entry: WalkedEntry) => number | undefined;

/** Describes the entries of one walk. It remembers hard links, so each walk needs its own. */
export class EntryDescriber {
  readonly #system: System;
  readonly #names = new Map<string, string>();

  constructor(system: System) {
    this.#system = system;
  }

  describe(walked: WalkedEntry, checksumOf: ChecksumOf): ManifestEntry {
    const { path, parent, name, stat } = walked;
    // Most entries have none: they are neither opaque nor whiteouts in attribute form, and need four calls less.
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
 * CRC-32 of the extended attributes `names` of an entry, sorted; 0 when it has none. Attributes that belong to the
 * host do not count.
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
    // A file may refuse its values even to its owner.
    if (isErrno(error, 'EACCES')) return new Uint8Array(0);
    throw error;
  }
}

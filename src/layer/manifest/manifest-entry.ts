import { crc32 } from 'node:zlib';
import { encodePath } from '../../base/path-bytes.js';
import { statId } from '../../rootfs/directory.js';
import { isOpaqueAt, isWhiteout } from '../../rootfs/lower-layers.js';
import { nodeType } from '../../rootfs/node-type.js';
import type { WalkedEntry } from '../../rootfs/trees/walk-tree.js';
import { isOfImage } from '../../rootfs/xattrs.js';
import { isErrno, S, type System } from '../../system/system.js';

type ManifestType =
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

/** Increase it when the format changes. Version 1 has no checksums of extended attributes. */
export type ManifestVersion = 1 | 2;

/** Characters that JSON does not escape. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
const NO_NANOSECONDS = '000000000';
/** The two digits of each byte. */
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

const header = (version: ManifestVersion): string => JSON.stringify(['overlayer manifest', version]);

/** The first line. */
export const MANIFEST_HEADER: string = header(2);

/** @returns undefined when the line is not a manifest's header */
export function parseHeader(line: string): ManifestVersion | undefined {
  return ([1, 2] as const).find((version) => line === `${header(version)}\n`);
}

interface Attributes {
  /** Their checksum. */
  readonly xattrs: string;
}
type Field = string | number | null | Attributes;

/** The last line: it shows that the manifest is complete. */
export interface ManifestEnd {
  readonly entries: number;
  /** CRC-32 of all bytes before this line. */
  readonly checksum: number;
  /** The layer's diffID, if it was computed. */
  readonly diffID: string | undefined;
}

/**
 * One entry as a line of JSON: `[type, path, mode, uid, gid, mtime, …]`. A file adds its size and checksum, a symlink
 * its target, a device its numbers. An entry with extended attributes ends in `{"xattrs": checksum}`. JSON escapes
 * control characters, so any path fits into one line.
 */
export function entryLine(entry: ManifestEntry): string {
  const { type, path, mode, uid, gid, mtimeSec, mtimeNsec, size, link, checksum, xattrs = 0 } = entry;
  if (type === 'hardlink') return JSON.stringify([type, path, link]);
  const mtime = `${mtimeSec}.${mtimeNsec === 0 ? NO_NANOSECONDS : String(mtimeNsec).padStart(9, '0')}`;
  // Concatenation takes half the time of JSON.stringify.
  const name = PLAIN.test(path) ? `"${path}"` : JSON.stringify(path);
  const common = `"${type}",${name},"${mode.toString(8).padStart(4, '0')}",${uid},${gid},"${mtime}"`;
  const end = xattrs === 0 ? ']' : `,{"xattrs":"${hex(xattrs)}"}]`;
  if (type === 'file') return `[${common},${size},"${hex(checksum ?? 0)}"${end}`;
  return link === undefined ? `[${common}${end}` : `[${common},${JSON.stringify(link)}${end}`;
}

export function endLine({ entries, checksum, diffID }: ManifestEnd): string {
  return JSON.stringify(['end', entries, hex(checksum), diffID ?? null]);
}

/** @returns undefined when the line is not valid */
export function parseLine(line: string, version: ManifestVersion): ManifestEntry | ManifestEnd | undefined {
  try {
    const fields = JSON.parse(line) as Field[];
    return fields[0] === 'end' ? parseEnd(fields) : parseEntry(fields, version);
  } catch {
    return undefined;
  }
}

function parseEnd([, entries, checksum, diffID]: readonly Field[]): ManifestEnd {
  return {
    entries: Number(entries),
    checksum: parseInt(String(checksum), 16),
    diffID: diffID === null ? undefined : String(diffID),
  };
}

function parseEntry(fields: Field[], version: ManifestVersion): ManifestEntry {
  const last = fields.at(-1);
  const attributes = typeof last === 'object' && last !== null ? last : undefined;
  const [type, path, mode, uid, gid, mtime, ...rest] =
    attributes === undefined ? fields : fields.slice(0, -1);
  const none = { mode: 0, uid: 0, gid: 0, mtimeSec: 0, mtimeNsec: 0, size: 0, checksum: undefined };
  const xattrs = version === 1 ? undefined : parseInt(attributes?.xattrs ?? '0', 16);
  const named = { type: type as ManifestType, path: String(path), link: undefined, xattrs };
  if (type === 'hardlink') return { ...none, ...named, link: String(mode) };
  const [seconds, nanoseconds] = String(mtime).split('.');
  const common = {
    ...none,
    ...named,
    ...{ mode: parseInt(String(mode), 8), uid: Number(uid), gid: Number(gid) },
    ...{ mtimeSec: Number(seconds), mtimeNsec: Number(nanoseconds) },
  };
  if (type === 'file') return { ...common, size: Number(rest[0]), checksum: parseInt(String(rest[1]), 16) };
  return rest[0] === undefined ? common : { ...common, link: String(rest[0]) };
}

/** `Number.toString` divides 32-bit numbers as floating-point numbers: 0.4 µs, a third of the time of a line. */
function hex(checksum: number): string {
  return `${HEX[checksum >>> 24]}${HEX[(checksum >>> 16) & 0xff]}${HEX[(checksum >>> 8) & 0xff]}${HEX[checksum & 0xff]}`;
}

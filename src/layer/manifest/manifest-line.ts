import type { ManifestEntry, ManifestType } from './manifest-entry.js';

/** The first line. Whoever changes the format gives it another number. */
export const MANIFEST_HEADER: string = JSON.stringify(['overlayer manifest', 1]);

/** The last line: it is whole if it says how many lines there are, and their checksum. */
export interface ManifestEnd {
  readonly entries: number;
  /** CRC-32 of all bytes before this line. */
  readonly checksum: number;
  /** Of the layer, where it was computed. */
  readonly diffID: string | undefined;
}

/**
 * One entry as a line of JSON: `[type, path, mode, uid, gid, mtime, …]`, then size and checksum of a file, the target
 * of a symlink, or the numbers of a device. JSON keeps any path in one line: bytes that are no UTF-8 and control
 * characters are written as escapes.
 */
export function entryLine(entry: ManifestEntry): string {
  const { type, path, mode, uid, gid, mtimeSec, mtimeNsec, size, link, checksum } = entry;
  if (type === 'hardlink') return JSON.stringify([type, path, link]);
  const mtime = `${mtimeSec}.${String(mtimeNsec).padStart(9, '0')}`;
  // One string after another takes half the time of JSON.stringify for all.
  const common = `"${type}",${JSON.stringify(path)},"${mode.toString(8).padStart(4, '0')}",${uid},${gid},"${mtime}"`;
  if (type === 'file') return `[${common},${size},"${hex(checksum ?? 0)}"]`;
  return link === undefined ? `[${common}]` : `[${common},${JSON.stringify(link)}]`;
}

export function endLine({ entries, checksum, diffID }: ManifestEnd): string {
  return JSON.stringify(['end', entries, hex(checksum), diffID ?? null]);
}

/** @returns undefined for a line that makes no sense */
export function parseLine(line: string): ManifestEntry | ManifestEnd | undefined {
  try {
    const fields = JSON.parse(line) as (string | number | null)[];
    return fields[0] === 'end' ? parseEnd(fields) : parseEntry(fields);
  } catch {
    return undefined;
  }
}

function parseEnd([, entries, checksum, diffID]: readonly (string | number | null)[]): ManifestEnd {
  return {
    entries: Number(entries),
    checksum: parseInt(String(checksum), 16),
    diffID: diffID === null ? undefined : String(diffID),
  };
}

function parseEntry(fields: readonly (string | number | null)[]): ManifestEntry {
  const [type, path, mode, uid, gid, mtime, ...rest] = fields;
  const none = { mode: 0, uid: 0, gid: 0, mtimeSec: 0, mtimeNsec: 0, size: 0, checksum: undefined };
  const named = { type: type as ManifestType, path: String(path), link: undefined };
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

function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, '0');
}

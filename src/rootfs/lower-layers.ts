import { isErrno, S, type Stat, type System } from '../system/system.js';
import { isDirectory, OPEN_DIRECTORY } from './directory.js';

/** Prefixes of overlayfs's own extended attributes: `userxattr` mounts use the second. */
export const OVERLAY_PREFIXES = ['trusted.overlay.', 'user.overlay.'] as const;

/** A name in the lower layers, as overlayfs shows it. */
type LowerName =
  /** Open descriptors of the directories that merge, nearest first. The caller closes them. */
  | { readonly kind: 'directory'; readonly descriptors: readonly number[] }
  /** `descriptor` is the lower directory that has the name. */
  | { readonly kind: 'other'; readonly descriptor: number; readonly stat: Stat };

/** Looks `name` up in lower directories, nearest first, as overlayfs does. */
export function lookupLower(system: System, lowers: readonly number[], name: string): LowerName | undefined {
  const descriptors: number[] = [];
  try {
    for (const lower of lowers) {
      const stat = statIfThere(system, lower, name);
      if (stat === undefined) continue;
      if (!isDirectory(stat)) {
        // It hides all layers below, and a directory above hides it.
        if (descriptors.length > 0 || isWhiteout(system, lower, name, stat)) break;
        return { kind: 'other', descriptor: lower, stat };
      }
      const descriptor = system.openAt(lower, name, OPEN_DIRECTORY, 0);
      descriptors.push(descriptor);
      if (isOpaque(system, descriptor)) break;
    }
  } catch (error) {
    for (const descriptor of descriptors) system.close(descriptor);
    throw error;
  }
  return descriptors.length > 0 ? { kind: 'directory', descriptors } : undefined;
}

export function isOpaque(system: System, directory: number): boolean {
  return OVERLAY_PREFIXES.some((prefix) => system.getXattr(directory, `${prefix}opaque`)?.[0] === 0x79);
}

/** `isOpaque` of a name in an open directory. */
export function isOpaqueAt(system: System, directory: number, name: string): boolean {
  return OVERLAY_PREFIXES.some(
    (prefix) => system.getXattrAt(directory, name, `${prefix}opaque`)?.[0] === 0x79,
  );
}

/** A device 0:0, or an empty file that says so (kernel documentation, overlayfs.rst, "whiteouts and opaque directories"). */
export function isWhiteout(system: System, directory: number, name: string, stat: Stat): boolean {
  if (isWhiteoutDevice(stat)) return true;
  if ((stat.mode & S.IFMT) !== S.IFREG || stat.size !== 0) return false;
  try {
    return OVERLAY_PREFIXES.some(
      (prefix) => system.getXattrAt(directory, name, `${prefix}whiteout`) !== undefined,
    );
  } catch (error) {
    if (isErrno(error, 'EACCES')) return false; // overlayer can read the marks that it made
    throw error;
  }
}

export function isWhiteoutDevice({ mode, rdevMajor, rdevMinor }: Stat): boolean {
  return (mode & S.IFMT) === S.IFCHR && rdevMajor === 0 && rdevMinor === 0;
}

export function statIfThere(system: System, directory: number, name: string): Stat | undefined {
  try {
    return system.statAt(directory, name);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

import { dirname } from 'node:path';
import { rewriteRoot } from '../../layer/manifest/write-manifest.js';
import { isDirectory, OPEN_DIRECTORY, withChild } from '../../rootfs/directory.js';
import { isOpaque, lookupLower } from '../../rootfs/lower-layers.js';
import { copyAttributes } from '../../rootfs/trees/copy-up.js';
import { type WalkedEntry, walkTree } from '../../rootfs/trees/walk-tree.js';
import { isOfImage } from '../../rootfs/xattrs.js';
import { AT_FDCWD, type Stat, type System, type Times } from '../../system/system.js';
import { hasManifest, manifestOf } from '../store/snapshot-files.js';

/** Copies owner, mode, extended attributes and times of a directory. */
export function copyRoot(system: System, from: number, to: number): void {
  const stat = system.stat(from);
  copyAttributes(system, from, to, stat);
  system.setTimes(to, stat);
}

/** `copyRoot` that also updates the manifest. @param tree the path of `to` */
export function copyRecordedRoot(system: System, from: number, to: number, tree: string): void {
  copyRoot(system, from, to);
  const directory = dirname(tree);
  if (hasManifest(directory)) rewriteRoot(system, manifestOf(directory), to);
}

export interface InheritRequest {
  /** An upperdir. Its layer was unpacked before its lower layers were known. */
  readonly tree: string;
  /** Nearest first. */
  readonly lowers: readonly string[];
  /** A directory that was made right before the tree. */
  readonly older: string;
}

/**
 * Gives directories that the layer does not list the attributes of the lower directories. They would have them if the
 * layer had been unpacked onto its lower layers.
 *
 * The tree shows which directories those are. A directory that the layer lists has the time of its entry, which is older
 * than the unpack. A directory that is younger than the tree, belongs to root, and has mode 0755 and no extended
 * attributes was made by the unpacker, because the path of an entry led through it.
 */
export function inheritUnlisted(system: System, { tree, lowers, older }: InheritRequest): void {
  const opened: number[] = [];
  const open = (path: string) => {
    const descriptor = system.openAt(AT_FDCWD, path, OPEN_DIRECTORY, 0);
    opened.push(descriptor);
    return descriptor;
  };
  /** The lower directories of each open directory of the walk, nearest first. */
  const levels: (readonly number[])[] = [];
  const leave = () => {
    for (const descriptor of levels.pop()!) system.close(descriptor);
  };
  try {
    const root = open(tree);
    const since = system.stat(open(older));
    const roots = lowers.map(open);
    const inheritIfUnlisted = (directory: number, stat: Stat, like: number) => {
      if (isYounger(stat, since) && isAsMade(system, directory, stat)) copyRoot(system, like, directory);
    };
    const visit = ({ path, parent, name, stat }: WalkedEntry) => {
      if (path === '') {
        inheritIfUnlisted(root, stat, roots[0]!);
        return true;
      }
      if (!isDirectory(stat) || stat.isMountRoot) return false;
      const lower = lookupLower(system, levels.at(-1) ?? roots, name);
      if (lower?.kind !== 'directory') return false; // its children have no lower directories either
      levels.push(lower.descriptors);
      return withChild(system, parent, name, OPEN_DIRECTORY, (directory) => {
        inheritIfUnlisted(directory, stat, lower.descriptors[0]!);
        if (!isOpaque(system, directory)) return true;
        leave();
        return false;
      });
    };
    walkTree(system, root, visit, { left: leave });
  } finally {
    while (levels.length > 0) leave();
    for (const descriptor of opened) system.close(descriptor);
  }
}

function isYounger(stat: Times, since: Times): boolean {
  return (
    stat.mtimeSec > since.mtimeSec || (stat.mtimeSec === since.mtimeSec && stat.mtimeNsec >= since.mtimeNsec)
  );
}

function isAsMade(system: System, directory: number, { mode, uid, gid }: Stat): boolean {
  return (mode & 0o7777) === 0o755 && uid === 0 && gid === 0 && !system.listXattrs(directory).some(isOfImage);
}

import { isDirectory, OPEN_DIRECTORY, withChild } from '../../rootfs/directory.js';
import { isOpaque, lookupLower } from '../../rootfs/lower-layers.js';
import { type WalkedEntry, walkTree } from '../../rootfs/trees/walk-tree.js';
import { isOfImage } from '../../rootfs/xattrs.js';
import { AT_FDCWD, type Stat, type System, type Times } from '../../system/system.js';
import { copyRoot } from './copy-root.js';

export interface InheritRequest {
  /** An upperdir that a layer was unpacked into when nobody knew what would be below. */
  readonly tree: string;
  /** Nearest first. */
  readonly lowers: readonly string[];
  /** Made right before the tree. */
  readonly older: string;
}

/**
 * Gives directories that the layer does not list the attributes of the lower ones, as they would have if the layer had
 * been unpacked upon those.
 *
 * Which they are shows the tree: what a layer lists has the time that the layer says, which was before it was unpacked.
 * A directory that is younger than the tree and as every unpacker makes one (root's, mode 0755, without attributes) was
 * made here because a path led through it.
 */
export function inheritUnlisted(system: System, { tree, lowers, older }: InheritRequest): void {
  const opened: number[] = [];
  const open = (path: string) => {
    const descriptor = system.openAt(AT_FDCWD, path, OPEN_DIRECTORY, 0);
    opened.push(descriptor);
    return descriptor;
  };
  /** Lower directories of each that the walk is in, nearest first. */
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
      if (lower?.kind !== 'directory') return false; // nor has what is in it anything below
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

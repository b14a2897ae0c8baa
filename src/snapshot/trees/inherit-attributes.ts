import { dirname } from 'node:path';
import { LazyLowers } from '../../layer/erofs/lazy-lowers.js';
import { type LowerDirectory, type LowerNode, LowerTree, shownRoot } from '../../layer/erofs/lower-tree.js';
import { rewriteRoot } from '../../layer/manifest/write-manifest.js';
import { isDirectory, OPEN_DIRECTORY, withChild, withDirectory } from '../../rootfs/directory.js';
import { isOpaque } from '../../rootfs/lower-layers.js';
import { copyAttributes } from '../../rootfs/trees/copy-up.js';
import { type WalkedEntry, walkTree } from '../../rootfs/trees/walk-tree.js';
import { isOfImage } from '../../rootfs/xattrs.js';
import type { Stat, System, Times } from '../../system/system.js';
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
  /** Layers, nearest first: upperdirs or layer files. */
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
  using opened = new LazyLowers(system, lowers);
  const layers = [...opened];
  const merged = new LowerTree(layers);
  /** The lower directories of each open directory of the walk, nearest first. */
  const levels: LowerDirectory[] = [];
  const since = withDirectory(system, older, (directory) => system.stat(directory));
  const inheritIfUnlisted = (directory: number, stat: Stat, like: LowerNode) => {
    if (isYounger(stat, since) && isAsMade(system, directory, stat)) takeAttributes(system, directory, like);
  };
  withDirectory(system, tree, (root) => {
    const visit = ({ path, parent, name, stat }: WalkedEntry) => {
      if (path === '') {
        inheritIfUnlisted(root, stat, shownRoot(layers)!);
        return true;
      }
      if (!isDirectory(stat) || stat.isMountRoot) return false;
      const lower = merged.lookup(levels.at(-1) ?? merged.root, name);
      if (lower?.kind !== 'directory') return false; // its children have no lower directories either
      return withChild(system, parent, name, OPEN_DIRECTORY, (directory) => {
        inheritIfUnlisted(directory, stat, lower.directory[0]!.node);
        if (isOpaque(system, directory)) return false;
        levels.push(lower.directory);
        return true;
      });
    };
    walkTree(system, root, visit, { left: () => void levels.pop() });
  });
}

/** Gives a directory the owner, mode, extended attributes and times of one in a lower layer. */
export function takeAttributes(system: System, directory: number, like: LowerNode): void {
  system.chown(directory, like.uid, like.gid);
  for (const [name, value] of like.xattrs()) if (isOfImage(name)) system.setXattr(directory, name, value);
  system.chmod(directory, like.mode);
  const { mtimeSec, mtimeNsec } = like;
  system.setTimes(directory, { mtimeSec, mtimeNsec, atimeSec: mtimeSec, atimeNsec: mtimeNsec });
}

function isYounger(stat: Times, since: Times): boolean {
  return (
    stat.mtimeSec > since.mtimeSec || (stat.mtimeSec === since.mtimeSec && stat.mtimeNsec >= since.mtimeNsec)
  );
}

function isAsMade(system: System, directory: number, { mode, uid, gid }: Stat): boolean {
  return (mode & 0o7777) === 0o755 && uid === 0 && gid === 0 && !system.listXattrs(directory).some(isOfImage);
}

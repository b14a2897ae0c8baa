import { isDirectory, OPEN_DIRECTORY, withChild } from '../rootfs/directory.js';
import { lookupLower } from '../rootfs/lower-layers.js';
import { NO_EVENTS, Rootfs } from '../rootfs/rootfs.js';
import { walkTree } from '../rootfs/walk-tree.js';
import { isOfImage } from '../rootfs/xattrs.js';
import { AT_FDCWD, type Stat, type System, type Times } from '../system/system.js';
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
  try {
    const root = open(tree);
    const since = system.stat(open(older));
    const rootfs = new Rootfs(system, root, lowers.map(open), NO_EVENTS);
    const inheritIfUnlisted = (directory: number, stat: Stat, like: number) => {
      if (isYounger(stat, since) && isAsMade(system, directory, stat)) copyRoot(system, like, directory);
    };
    try {
      walkTree(system, root, ({ path, parent, name, stat }) => {
        if (!isDirectory(stat)) return false;
        if (path === '') inheritIfUnlisted(root, stat, rootfs.root.lowers[0]!);
        else
          withLowers(system, rootfs, path, name, (like) =>
            withChild(system, parent, name, OPEN_DIRECTORY, (directory) =>
              inheritIfUnlisted(directory, stat, like),
            ),
          );
        return true;
      });
    } finally {
      rootfs.close();
    }
  } finally {
    for (const descriptor of opened) system.close(descriptor);
  }
}

/** Runs `use` with the nearest lower directory of that path, where there is one. */
function withLowers(
  system: System,
  rootfs: Rootfs,
  path: string,
  name: string,
  use: (like: number) => void,
): void {
  const { lowers } = rootfs.open(path.slice(0, -name.length - 1), 'leave')!;
  const lower = lookupLower(system, lowers, name);
  if (lower?.kind !== 'directory') return;
  try {
    use(lower.descriptors[0]!);
  } finally {
    for (const descriptor of lower.descriptors) system.close(descriptor);
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

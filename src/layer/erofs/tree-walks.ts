import { NONE } from '../../erofs/records.js';
import type { ErofsTree } from '../../erofs/tree.js';

/** How a walk goes through a tree. It is told of each step, and may throw. */
interface Walk {
  readonly step: () => void;
  /** Whether to look into a directory. */
  readonly enters: (directory: number) => boolean;
  /** Called for each name of another file, and of each directory that is not entered. @returns whether to go on */
  readonly visit: (name: number, inode: number) => boolean;
  /** Called for a directory that was entered, after all that it holds. It may remove its name. */
  readonly left?: (name: number, directory: number) => void;
}

/**
 * Walks all that a directory holds, at any depth, without recursion. What is visited or left may be removed.
 *
 * @returns false when `visit` ended it
 */
export function walkBelow(tree: ErofsTree, directory: number, { step, enters, visit, left }: Walk): boolean {
  let at = directory;
  let name = tree.first(at);
  for (;;) {
    step();
    if (name === NONE) {
      if (at === directory) return true;
      const own = tree.ownName(at);
      const entered = at;
      at = tree.directoryOf(own);
      name = tree.next(own);
      left?.(own, entered);
      continue;
    }
    const inode = tree.inodeOf(name);
    if (tree.isDirectory(inode) && enters(inode)) {
      at = inode;
      name = tree.first(at);
      continue;
    }
    const next = tree.next(name);
    if (!visit(name, inode)) return false;
    name = next;
  }
}

/** Removes all that a directory holds. */
export function emptyDirectory(tree: ErofsTree, directory: number, step: () => void): void {
  walkBelow(tree, directory, {
    step,
    enters: () => true,
    visit: (name) => {
      tree.unlink(name);
      return true;
    },
    left: (name) => tree.unlink(name),
  });
}

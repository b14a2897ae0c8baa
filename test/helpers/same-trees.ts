import { expect } from 'vitest';
import { diffTrees, type Tree } from './tree.js';

/**
 * Which files are one inode may differ in one way: overlayfs copies a lower file up to link it, and then its
 * other names below are files of their own.
 */
export function expectSameTrees(directory: Tree, overlay: Tree): void {
  expect(diffTrees(directory, overlay, ['linkOf'])).toEqual([]);
  const groupOf = (path: string | undefined) =>
    path === undefined ? undefined : directory.get(path)?.linkOf;
  for (const [path, { linkOf }] of overlay)
    if (linkOf !== undefined)
      expect(groupOf(path), `${path} and ${linkOf} are one file`).toBe(groupOf(linkOf));
}

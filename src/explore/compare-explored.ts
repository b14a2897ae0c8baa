import type { ExploredImage, ExploredType, PathChange } from './explored-image.js';
import { treeOf } from './explored-tree.js';
import type { ImageTree } from './image-tree.js';
import { type WalkedPath, walkTree } from './tree-walk.js';

/**
 * The paths whose files two images do not have alike, in the order of paths. The root is not among them. A file that one of them
 * has by a hard link is compared by its content.
 *
 * @throws OverlayerError `InvalidArgument`: an image that `exploreImage` has not read
 */
export function compareExplored(before: ExploredImage, after: ExploredImage): readonly PathChange[] {
  const [old, now] = [treeOf(before), treeOf(after)];
  const olds = new Map<string, WalkedPath>();
  for (const walked of walkTree(old)) olds.set(walked.text, walked);
  const changes: PathChange[] = [];
  for (const walked of walkTree(now)) {
    const { text, node } = walked;
    const was = olds.get(text);
    olds.delete(text);
    const sizes = { sizeBefore: was === undefined ? 0 : sizeOf(old, was), sizeAfter: sizeOf(now, walked) };
    const change = { path: text, type: typeOf(now, walked), ...sizes };
    if (was === undefined) {
      changes.push({ kind: 'added', ...change, metadataOnly: false });
      continue;
    }
    const metadataOnly = now.nodes.hasSameContent(node, was.node, old.nodes);
    if (metadataOnly && now.nodes.hasSameAttributes(node, was.node, old.nodes)) continue;
    changes.push({ kind: 'changed', ...change, metadataOnly });
  }
  for (const was of olds.values())
    changes.push({
      kind: 'removed',
      path: was.text,
      type: typeOf(old, was),
      sizeBefore: sizeOf(old, was),
      sizeAfter: 0,
      metadataOnly: false,
    });
  return changes.sort((one, other) => (one.path < other.path ? -1 : 1));
}

/** Bytes of the file; 0 for a further name of a file. */
function sizeOf({ nodes }: ImageTree, { path, node }: WalkedPath): number {
  return nodes.ownPathOf(node) === path ? nodes.sizeOf(node) : 0;
}

function typeOf({ nodes }: ImageTree, { node }: WalkedPath): ExploredType {
  return nodes.typeOf(node) as ExploredType;
}

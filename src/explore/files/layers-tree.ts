import { OverlayerError } from '../../base/errors.js';
import { NONE } from '../../erofs/records.js';
import type { Operation } from '../../layer/plan/operation.js';
import type { ImageTree } from '../image-tree.js';
import type { ExploreOptions, LayerStack } from '../open-stack.js';
import { readLayers } from '../read-image.js';
import { choosePaths } from '../tree-walk.js';

/**
 * Reads the tree of layers that are read again for the bytes of files.
 *
 * @throws OverlayerError `FailedPrecondition`: a layer is a stream
 */
export async function readLayersTree(stack: LayerStack, options: ExploreOptions): Promise<ImageTree> {
  if (!stack.layers.every(({ isReadableAgain }) => isReadableAgain))
    throw new OverlayerError(
      'FailedPrecondition',
      'The layer has links whose files are known at its end, and its stream can be read only once',
      { hint: 'write the layer to a file first, and name the file' },
    );
  const { tree } = await readLayers(stack, options, () => {});
  choosePaths(tree);
  return tree;
}

/**
 * Tells what the operations of a layer made in the tree.
 *
 * @returns a function that is called with each operation, in their order. It returns a node; NONE for a hard link, a whiteout
 *   and an opaque mark
 */
export function followEntries({ nodes }: ImageTree, layer: number): (operation: Operation) => number {
  const entries = nodes.entriesOf(layer);
  return ({ op }) =>
    op === 'hardlink' || op === 'whiteout' || op === 'opaque' ? NONE : (entries.next().value ?? NONE);
}
